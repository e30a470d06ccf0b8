"""Laws of the alias: what a request means beside it, and that it survives its own JSON."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.events import Cause, ClipRequest, VideoReady, Work
from consumer.renderer.alias import Alias, AliasError, Origin, Standing, standing

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
HERE = Origin(cluster="c", topic="clip-render", partition=1, offset=7, group="g")


def request(revision: int) -> ClipRequest:
    """A request; only its revision matters here."""
    return ClipRequest(
        request_id="r",
        product_id="p",
        revision=revision,
        work=Work.RETIRE,
        recipe=None,
        cause=Cause(event_id="e", product_revision=1),
        requested_at=WHEN,
    )


def alias(revision: int, origin: Origin = HERE) -> Alias:
    """An alias of a retired product; only revision and origin matter here."""
    event = VideoReady(
        event_id="id",
        occurred_at=WHEN,
        product_id="p",
        revision=revision,
        status="RETIRED",
        cause=Cause(event_id="e", product_revision=1),
        clip=None,
        alias_url="a",
        alias_poster_url="b",
        purge_urls=("a", "b"),
        surrogate_keys=("product-p",),
        purge_mode="HARD",
    )
    return Alias(revision=revision, recipe="", origin=origin, announcement=event)


def test_without_an_alias_every_request_is_news() -> None:
    """A product that was never published has its clip made."""
    assert standing(None, request(1), HERE) is Standing.NEWS


@given(st.integers(1, 10), st.integers(1, 10), st.booleans())
def test_the_higher_revision_always_wins(ours: int, theirs: int, same_record: bool) -> None:
    """Lower aliases are replaced, higher ones never, whichever record wrote them."""
    origin = HERE if same_record else Origin(cluster="c", topic="clip-render", partition=0, offset=99)
    found = standing(alias(theirs, origin), request(ours), HERE)
    if ours > theirs:
        assert found is Standing.NEWS
    elif ours < theirs:
        assert found is Standing.STALE
    else:
        assert found is (Standing.ANNOUNCE if same_record else Standing.DUPLICATE)


def test_a_revision_published_from_another_cluster_is_announced_here_too() -> None:
    """A broker that forgot its log has readers who never saw the announcement."""
    elsewhere = Origin(cluster="another", topic="clip-render", partition=1, offset=7)
    assert standing(alias(3, elsewhere), request(3), HERE) is Standing.ANNOUNCE


def test_another_group_that_reads_the_same_record_does_not_announce_it_again() -> None:
    """Renderers and dressers may take turns at a topic: what one announced is a duplicate to the other."""
    other = replace(HERE, group="another")
    assert standing(alias(3, other), request(3), HERE) is Standing.DUPLICATE
    assert standing(alias(3, other), request(4), HERE) is Standing.NEWS


def test_an_alias_of_a_time_without_groups_is_known_by_its_record() -> None:
    """A crash before an update is made good after it."""
    old = json.loads(alias(3).to_json())
    del old["record"]["group"]
    known = Alias.from_json("k", json.dumps(old).encode())
    assert standing(known, request(3), HERE) is Standing.ANNOUNCE
    assert standing(known, request(3), replace(HERE, offset=8)) is Standing.DUPLICATE


def test_an_alias_survives_its_json() -> None:
    """What is read back is what was written, times and all."""
    before = alias(4)
    assert Alias.from_json("k", before.to_json()) == before


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"revision": 1}', b"\xff\xfe", b'{"announcement": {}}'])
def test_a_foreign_object_in_the_alias_place_is_an_error_that_names_the_key(data: bytes) -> None:
    """Nobody's file is taken for an alias, and the message says where it lies."""
    with pytest.raises(AliasError, match="products/p/current") as caught:
        Alias.from_json("products/p/current.json", data)
    assert caught.value.key == "products/p/current.json"
