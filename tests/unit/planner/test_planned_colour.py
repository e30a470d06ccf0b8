"""The product's colour goes with the request for its clip, and gives no clip another name."""

from __future__ import annotations

import pytest

from consumer.events import Cause, ClipRequest, ProductColour, Work
from consumer.planner.drafts import Drafter
from consumer.planner.outbox import Outbox
from consumer.planner.promotions import Running
from consumer.planner.prompts import Prompts
from consumer.settings import Topics
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from tests.unit.planner.samples import NOW, planning, product

DRAFTER = Drafter(Prompts.load(), planning())
RED = ProductColour(word="red", rgb=(211, 32, 39))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("red", RED),
        (" 藏青色 ", ProductColour(word="藏青色", rgb=(27, 42, 78))),
        ("#3E6FA3", ProductColour(word="#3E6FA3", rgb=(62, 111, 163))),
        ("moonlit", ProductColour(word="moonlit")),
        ("transparent", ProductColour(word="transparent")),
        ("  ", None),
        (None, None),
    ],
)
def test_a_colour_is_told_by_its_word_and_as_it_looks(written: str | None, told: ProductColour | None) -> None:
    """A word that stands for no one colour is told alone; no word, nothing."""
    assert DRAFTER.draft(product(colour=written), Running()).colour == told


def test_a_colour_is_no_part_of_the_recipe() -> None:
    """A clip of a photo, whose prompt speaks of motion alone, is the same clip whatever the record calls its colour."""
    drafts = [DRAFTER.draft(product(colour=word), Running()) for word in ("red", "moonlit", None)]
    assert drafts[0].recipe.scene.mode == "image"
    assert len({draft.digests for draft in drafts}) == 1
    assert len({draft.colour for draft in drafts}) == 3


@pytest.mark.parametrize("colour", [RED, ProductColour(word="moonlit"), None])
@pytest.mark.parametrize("bulk", [False, True])
def test_the_request_carries_it(colour: ProductColour | None, bulk: bool) -> None:
    """In the bytes that a renderer reads, on either lane."""
    codec = SingleObjectCodec(schemas.load())
    draft = DRAFTER.draft(product(), Running())
    _, output = Outbox(codec, Topics(), "default").plan(
        "kettle-1",
        1,
        Work.RENDER,
        recipe=draft.recipe,
        digests=draft.digests,
        colour=colour,
        cause=Cause(event_id="e", product_revision=1),
        batch="b",
        now=NOW,
        bulk=bulk,
    )
    assert output.value is not None
    read = ClipRequest.from_avro(codec.decode(output.topic, output.value, output.headers))
    assert read.colour == colour
    assert read.recipe == draft.recipe
