"""Promise 4: without its labels in the finished bytes nothing is published, whichever step was left out and whichever
way the clip was made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from consumer.events import VideoReady, Work
from consumer.observe import metrics as m
from consumer.storage import layout
from consumer.storage.files import FilesStore
from model import visible
from model.plate import Plate
from model.provenance import Signer, read_signature
from model.recipe import Recipe
from model.verify import Demand, verify
from tests.credentials import credentials, signer
from tests.engines import SPEC, TestEngine
from tests.unit.model_clip.samples import PRODUCER
from tests.unit.renderer.conftest import Bench, recipe, request

Make = Callable[..., Bench]
Patch = pytest.MonkeyPatch
SIZE = (320, 240)


def labelled(*, seed: int = 1, card: str | None = None, ribbon: str | None = None) -> Recipe:
    """The recipe of a clip that a model generates."""
    plain = recipe(seed, size=SIZE, card=card, ribbon=ribbon)
    overlays = replace(plain.dressing.overlays, label="AI生成")
    return replace(plain, dressing=replace(plain.dressing, overlays=overlays, producer=PRODUCER))


PLAIN, CARD, RIBBON = labelled(), labelled(card="Summer sale"), labelled(ribbon="20% off")


def dreaming() -> TestEngine:
    """An engine that invents what it draws."""
    return TestEngine(spec=replace(SPEC, generative=True))


@pytest.fixture(scope="module")
def by(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """Who signs."""
    return signer(credentials(tmp_path_factory.mktemp("c2pa")))


def no_visible(patch: Patch) -> None:
    """The step that lays the visible label over pictures does nothing."""

    def blank(text: str, width: int, height: int) -> Plate:
        plate = visible.make_label(text, width, height)
        (luma, chroma), (ink, blue, red) = plate.keep, plate.add
        keep, add = (np.ones_like(luma), np.ones_like(chroma)), (0 * ink, 0 * blue, 0 * red)
        return replace(plate, keep=keep, add=add)

    patch.setattr("model.dress.make_label", blank)
    patch.setattr("model.endcard.make_label", blank)


def no_metadata(patch: Patch) -> None:
    """The step that writes the tags does nothing."""
    patch.setattr("model.finish.tags_for", lambda *_, **__: {})


def neither(patch: Patch) -> None:
    """Both are left out."""
    no_visible(patch)
    no_metadata(patch)


@pytest.mark.parametrize("without", [no_visible, no_metadata, neither])
def test_a_label_step_left_out_publishes_nothing(
    bench: Make, store: FilesStore, monkeypatch: Patch, without: Callable[[Patch], None]
) -> None:
    """Rendered, dressed or spliced: dead letters of stage label, and the aliases stay as they were."""
    one = bench(dreaming())
    for offset, product in enumerate("abc"):
        one.send(request(product, made_of=PLAIN), offset)
        one.settler.event(offset)
    without(monkeypatch)
    # A card of its own: those that were made before the step was left out are kept.
    wanted = {"a": labelled(seed=2), "b": RIBBON, "c": labelled(card=f"Sale, {without.__name__}")}
    for offset, (product, made_of) in enumerate(wanted.items(), 3):
        one.send(request(product, revision=2, made_of=made_of), offset)
    for offset, (product, made_of) in enumerate(wanted.items(), 3):
        (letter,) = one.settler.outputs(offset)
        found = dict(letter.headers)
        assert found["__dlq.errors.stage"] == b"label"
        assert (found["__dlq.errors.message"] or b"").startswith(b"labels are not in the finished bytes")
        assert store.stat(layout.clip_key(made_of.digest)) is None
        alias = store.stat(layout.alias_key(product, "default"))
        assert alias is not None
        assert alias.metadata["revision"] == "1"
    assert one.metrics.value(m.UNLABELLED) == 3


def test_a_signature_left_out_is_waited_for_and_nothing_is_published(
    bench: Make, store: FilesStore, by: Signer, monkeypatch: Patch
) -> None:
    """It is an outage, for a signer has signed before: the clips come, signed, once signing works again."""
    one = bench(dreaming(), signer=by)
    for offset, product in enumerate("abc"):
        one.send(request(product, made_of=PLAIN), offset)
        one.settler.event(offset)
    wanted = {"a": labelled(seed=2), "b": RIBBON, "c": CARD}
    with monkeypatch.context() as patch:
        patch.setattr(Signer, "sign", lambda _, data, *__, **___: data)
        for offset, (product, made_of) in enumerate(wanted.items(), 3):
            one.send(request(product, revision=2, made_of=made_of), offset)
        while one.metrics.value(m.OUTAGES, role="renderer", what="signing") < len(wanted):
            assert not one.settler.wait(lambda settler: len(settler.settled) > 3, 0.02)
        assert not any(store.stat(layout.clip_key(each.digest, signed=True)) for each in wanted.values())
    works = []
    for offset, product in enumerate(wanted, 3):
        event = one.settler.event(offset)
        assert isinstance(event, VideoReady)
        assert event.labels == ("visible", "aigc", "c2pa")
        assert event.lineage is not None
        assert event.clip is not None
        works.append(event.lineage.work)
        data, _ = store.get(event.clip.key)
        assert verify(data, demand=Demand(required=True)).holds
        assert store.get(layout.alias_clip_key(product, "default"))[0] == data
    assert works == [Work.RENDER, Work.DRESS, Work.SPLICE]


def test_a_stored_clip_whose_record_lacks_labels_is_not_announced(bench: Make, store: FilesStore) -> None:
    """The record is what is believed of stored bytes, so it is asked, too."""
    one = bench(dreaming())
    one.send(request(made_of=PLAIN), 0)
    one.settler.event(0)
    key = layout.clip_record_key(PLAIN.digest)
    store.put(key, store.get(key)[0].replace(b'"aigc"', b'"other"'), layout.clip_record_attributes())
    one.send(request("q", made_of=PLAIN), 1)
    (letter,) = one.settler.outputs(1)
    assert dict(letter.headers)["__dlq.errors.stage"] == b"label"
    assert store.stat(layout.alias_key("q", "default")) is None


def test_signing_that_begins_or_ends_gives_clips_another_name(bench: Make, store: FilesStore, by: Signer) -> None:
    """Bytes under a name never change: what was published unsigned stays, and its signed twin lies beside it."""
    found = []
    for offset, more in enumerate(({}, {"signer": by}, {"signer": by}, {})):
        one = bench(dreaming(), **more)
        one.send(request(revision=offset + 1, made_of=PLAIN), offset)
        event = one.settler.event(offset)
        assert isinstance(event, VideoReady)
        assert event.clip is not None
        assert event.lineage is not None
        found.append((event.clip.key, event.clip.sha256, event.lineage.work))
        assert store.get(layout.alias_clip_key("p", "default"))[0] == store.get(event.clip.key)[0]
    plain, signed, again, back = found
    assert (plain[0], signed[0]) == (layout.clip_key(PLAIN.digest), layout.clip_key(PLAIN.digest, signed=True))
    assert [each[2] for each in found] == [Work.RENDER, Work.DRESS, Work.NONE, Work.NONE]
    assert again[:2] == signed[:2]
    assert back[:2] == plain[:2]


def test_a_signed_clip_without_its_record_stays_as_it_is(bench: Make, store: FilesStore, by: Signer) -> None:
    """A crash between clip and record, or two renderers of one recipe: whoever stored first decides the sum that
    everybody announces; a file there that is not the clip is replaced."""
    one = bench(dreaming(), signer=by)
    one.send(request("a", made_of=CARD), 0)
    first = one.settler.event(0)
    assert isinstance(first, VideoReady)
    assert first.clip is not None
    record = layout.clip_record_key(CARD.digest, signed=True)
    store.delete(record)
    one.send(request("b", made_of=CARD), 1)
    second = one.settler.event(1)
    assert isinstance(second, VideoReady)
    assert second.clip is not None
    assert second.clip.sha256 == first.clip.sha256
    assert second.clip.size == first.clip.size

    store.delete(record)
    data, stat = store.get(first.clip.key)
    store.put(first.clip.key, data[:-100], layout.clip_attributes(stat.metadata["sha256"]))
    one.send(request("c", made_of=CARD), 2)
    third = one.settler.event(2)
    assert isinstance(third, VideoReady)
    assert third.clip is not None
    there = store.get(third.clip.key)[0]
    assert third.clip.sha256 == hashlib.sha256(there).hexdigest() != first.clip.sha256
    assert verify(there, demand=Demand(required=True)).holds


def test_a_spliced_clip_is_signed_anew_and_its_body_carries_no_signature(
    bench: Make, store: FilesStore, by: Signer
) -> None:
    """A signature covers a whole file: the plain clip's, which is the body, does not go on into the joined one."""
    one = bench(dreaming(), signer=by)
    made = []
    for offset, wanted in enumerate((PLAIN, CARD)):
        one.send(request(revision=offset + 1, made_of=wanted), offset)
        event = one.settler.event(offset)
        assert isinstance(event, VideoReady)
        assert event.clip is not None
        assert event.lineage is not None
        made.append((event.lineage.work, read_signature(store.get(event.clip.key)[0])))
    assert [work for work, _ in made] == [Work.RENDER, Work.SPLICE]
    assert [found.state if found else None for _, found in made] == ["valid", "valid"]


def test_a_certificate_that_expires_while_clips_are_made_holds_them_up(
    bench: Make, store: FilesStore, tmp_path: Path
) -> None:
    """No clip is published under a signature that readers would refuse, and none is lost."""
    old = credentials(tmp_path, days=(-30, -1))
    fit = signer(credentials(tmp_path / "fit"))
    late = Signer(replace(fit.credentials, certificate=old.certificate.read_bytes(), expires=datetime.now(UTC)), "1")
    one = bench(dreaming(), signer=late)
    one.send(request(made_of=PLAIN), 0)
    while not one.metrics.value(m.OUTAGES, role="renderer", what="signing"):
        assert not one.settler.wait(lambda settler: 0 in settler.settled, 0.02)
    assert list(store.list("clips/")) == []
