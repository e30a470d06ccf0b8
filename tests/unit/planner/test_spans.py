"""Which products a fan-out looks at and in which order: every one, page by page, wherever it is cut."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from consumer.events import Scope, Tier
from consumer.planner.spans import MOST, PROBES, TIERS, Cursor, Fetch, Spans, Strand, tier_rank, walk

names = st.lists(st.sampled_from("abcdef"), max_size=4).map(tuple)
scopes = st.builds(Scope, all=st.booleans(), product_ids=names, categories=names, tags=names)
shelves = st.dictionaries(
    st.tuples(st.sampled_from(["all", "ids", "category", "tag"]), st.sampled_from(["", *"abcdef"]), st.integers(0, 2)),
    st.lists(st.sampled_from([f"p{n}" for n in range(9)]), max_size=9, unique=True).map(sorted),
)
Shelves = dict[tuple[str, str, int], list[str]]


def fetch_from(shelves: Shelves) -> Fetch[str]:
    """A catalog of lists."""

    def fetch(strand: Strand, tier: int, after: str, limit: int) -> tuple[Sequence[str], str | None]:
        rest = [name for name in shelves.get((strand.kind, strand.name, tier), []) if name > after]
        return rest[:limit], rest[limit - 1] if len(rest) >= limit else None

    return fetch


def all_of(spans: Spans, shelves: Shelves, limit: int) -> list[str]:
    """Every page from the start to the end; each begins from nothing but the cursor."""
    found: list[str] = []
    cursor: Cursor | None = Cursor()
    for _ in range(1_000):
        if cursor is None:
            return found
        page, cursor = walk(spans, cursor, limit, fetch_from(shelves))
        assert len(page) <= limit
        found += page
    raise AssertionError("it never ends")


@given(scopes, shelves, st.integers(1, 20))
def test_pages_of_any_size_meet_every_product_in_the_same_order(scope: Scope, kept: Shelves, limit: int) -> None:
    """Tier by tier, strand by strand, key by key; nothing is left out and nothing comes twice from one strand."""
    spans = Spans.of(scope)
    wanted = [name for tier in range(len(TIERS)) for strand in spans.strands for name in kept.get((*strand, tier), [])]
    assert all_of(spans, kept, limit) == wanted


@given(scopes, scopes)
def test_a_union_is_both(one: Scope, other: Scope) -> None:
    """Whatever either names; and it survives being kept."""
    first, second = Spans.of(one), Spans.of(other)
    union = first | second
    assert union == second | first
    assert bool(union) == (bool(first) or bool(second))
    assert Spans.load(union.dump()) == union
    if not union.all:
        assert set(union.strands) == {*first.strands, *second.strands}
    assert first | first == first


def test_a_union_of_too_many_names_is_everything() -> None:
    """A fan-out that is cut short again and again must not carry an ever longer list."""
    many = Spans(product_ids=tuple(map(str, range(MOST))))
    assert many | Spans(tags=("x",)) == Spans(all=True)


def test_a_page_looks_at_so_many_strands_and_no_more() -> None:
    """It may be empty and yet not be the last."""
    spans = Spans(categories=tuple(f"{n:05}" for n in range(PROBES)))
    page, cursor = walk(spans, Cursor(), 10, fetch_from({}))
    assert (page, cursor) == ([], Cursor(1, 0, ""))


def test_nothing_ends_at_once() -> None:
    """A span without names."""
    assert walk(Spans(), Cursor(), 10, fetch_from({})) == ([], None)


def test_hot_comes_first() -> None:
    """The order of the tiers is the order of their worth."""
    assert sorted(Tier, key=tier_rank) == [Tier.HOT, Tier.STANDARD, Tier.LONG_TAIL]
