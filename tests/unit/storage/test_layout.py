"""Laws of the layout: names that cannot meet or escape, cache rules, surrogate keys."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.storage import keys, layout
from consumer.storage.layout import safe_name, surrogate_key, surrogate_keys
from consumer.storage.store import Attributes

DIGEST = "ab" * 32
IDS = st.one_of(
    st.text(max_size=120),
    st.text("abcXYZ019._-/\\ \x00\u202e红%", max_size=110),
    st.from_regex(r"x-[0-9a-f]{32}", fullmatch=True),
)
ANY_TEXT = st.text(st.characters(), max_size=60)  # lone surrogates among it
EVERYWHERE = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")


@given(st.one_of(IDS, ANY_TEXT))
@example("")
@example("..")
@example(".")
@example("../../etc/passwd")
@example("a/b")
@example("x-")
@example("a" * 101)
def test_a_safe_name_is_one_plain_segment(identifier: str) -> None:
    """Whatever an id holds, its name is one segment that every store keeps."""
    name = safe_name(identifier)
    assert keys.check_key(name) == name
    assert "/" not in name
    assert len(name) <= 100


@given(IDS, IDS)
def test_different_ids_have_different_names(one: str, other: str) -> None:
    """Two ids share a name only if they are one."""
    assert (safe_name(one) == safe_name(other)) == (one == other)


@given(IDS)
def test_no_id_poses_as_the_hash_of_another(identifier: str) -> None:
    """The name of a hashed id, taken as an id, gets another name."""
    assert safe_name(identifier) == identifier or safe_name(safe_name(identifier)) != safe_name(identifier)


@given(st.from_regex(r"[A-Za-wyz0-9][A-Za-z0-9._-]{0,99}", fullmatch=True))
def test_plain_ids_stay_readable(identifier: str) -> None:
    """An operator finds a plain SKU under its own name."""
    assert safe_name(identifier) == identifier


@given(IDS, IDS)
def test_aliases_stay_below_products(product_id: str, variant: str) -> None:
    """Every alias is a good key exactly two levels below products/."""
    prefix = layout.alias_prefix(product_id, variant)
    for key in (
        layout.alias_key(product_id, variant),
        layout.alias_clip_key(product_id, variant),
        layout.alias_poster_key(product_id, variant),
    ):
        assert keys.check_key(key).startswith(prefix)
        assert re.fullmatch(r"products/[^/]+/[^/]+/current\.(json|mp4|jpg)", key)
    assert keys.check_prefix(prefix)


@given(IDS, IDS, IDS, IDS)
def test_aliases_of_different_products_or_variants_differ(one: str, two: str, three: str, four: str) -> None:
    """The pair of product and variant decides the alias, and nothing else does."""
    same = (one, two) == (three, four)
    assert (layout.alias_key(one, two) == layout.alias_key(three, four)) == same


def test_content_lies_under_its_digest() -> None:
    """The table of what lies where."""
    assert layout.base_key(DIGEST) == f"base/ab/{DIGEST}.mp4"
    assert layout.base_record_key(DIGEST) == f"base/ab/{DIGEST}.json"
    assert layout.body_key(DIGEST) == f"bodies/ab/{DIGEST}.mp4"
    assert layout.body_poster_key(DIGEST) == f"bodies/ab/{DIGEST}.jpg"
    assert layout.body_record_key(DIGEST) == f"bodies/ab/{DIGEST}.json"
    assert layout.clip_key(DIGEST) == f"clips/ab/{DIGEST}.mp4"
    assert layout.clip_record_key(DIGEST) == f"clips/ab/{DIGEST}.json"
    assert layout.poster_key(DIGEST) == f"clips/ab/{DIGEST}.jpg"
    assert layout.photo_key(DIGEST) == f"photos/ab/{DIGEST}"
    assert layout.quarantine_key(DIGEST) == f"quarantine/ab/{DIGEST}.mp4"
    assert layout.quarantine_record_key(DIGEST) == f"quarantine/ab/{DIGEST}.json"
    assert layout.alias_key("SKU-1", "default") == "products/SKU-1/default/current.json"


@pytest.mark.parametrize(
    "digest", ["", "ab", "AB" * 32, "../" + "a" * 61, "a" * 63 + "\n", "a" * 65, "g" * 64, "é" * 64]
)
def test_what_is_no_digest_names_nothing(digest: str) -> None:
    """A path cannot be smuggled in as a digest."""
    for name in (
        layout.base_key,
        layout.body_key,
        layout.body_record_key,
        layout.clip_key,
        layout.photo_key,
        layout.quarantine_record_key,
    ):
        with pytest.raises(ValueError, match="64 lower-case hex digits"):
            name(digest)


@given(st.one_of(IDS, ANY_TEXT), st.one_of(IDS, ANY_TEXT), st.none() | IDS, st.none() | IDS)
def test_surrogate_keys_suit_every_cdn(product: str, clip: str, promo: str | None, category: str | None) -> None:
    """Every tag is within the alphabet and the length that all purge services take, and no two are equal."""
    tags = surrogate_keys(product, clip, promo, category)
    assert all(EVERYWHERE.fullmatch(tag) for tag in tags)
    assert len(set(tags)) == len(tags) == 2 + (promo is not None) + (category is not None)


@given(IDS, IDS)
def test_surrogate_keys_differ_even_without_regard_to_case(one: str, other: str) -> None:
    """Purging one product never purges another, also where a CDN ignores case."""
    first, second = surrogate_key("product", one), surrogate_key("product", other)
    assert (first.casefold() == second.casefold()) == (one == other)


def test_surrogate_keys_say_what_they_are() -> None:
    """Kinds have their prefix, in a fixed order."""
    assert surrogate_keys("sku-1", DIGEST, "summer", "食品") == (
        "product-sku-1",
        f"clip-{DIGEST}",
        "promo-summer",
        surrogate_key("category", "食品"),
    )


PURGE_BY = surrogate_keys("sku-1", DIGEST, "summer", "food")
BUILT = {
    "base": layout.base_attributes(DIGEST),
    "base record": layout.base_record_attributes(),
    "body": layout.body_attributes(layout.VIDEO, DIGEST),
    "body record": layout.body_record_attributes(),
    "clip": layout.clip_attributes(DIGEST, PURGE_BY),
    "clip record": layout.clip_record_attributes(),
    "poster": layout.poster_attributes(DIGEST, PURGE_BY),
    "photo": layout.photo_attributes("image/webp"),
    "alias": layout.alias_attributes(layout.RECORD, 7, PURGE_BY),
    "quarantine": layout.quarantine_attributes(layout.VIDEO),
}


@pytest.mark.parametrize("attributes", BUILT.values(), ids=BUILT.keys())
def test_every_objects_attributes_suit_every_store(attributes: Attributes) -> None:
    """What the layout builds, the stores take."""
    assert keys.check_attributes(attributes) is attributes
    assert attributes.cache_control
    assert attributes.tags["kind"]


@given(st.one_of(IDS, ANY_TEXT), IDS, IDS)
def test_hostile_ids_make_attributes_that_stores_take(product: str, promo: str, category: str) -> None:
    """No id makes an object impossible to store."""
    keys.check_attributes(layout.clip_attributes(DIGEST, surrogate_keys(product, DIGEST, promo, category)))


def test_only_what_is_named_by_content_is_immutable() -> None:
    """A browser may keep content for ever, an alias for a minute, a rejected clip not at all."""
    for name in ("base", "base record", "body", "body record", "clip", "clip record", "poster", "photo"):
        assert BUILT[name].cache_control == layout.IMMUTABLE
    assert BUILT["alias"].cache_control == layout.ALIAS
    assert BUILT["quarantine"].cache_control == layout.PRIVATE


def test_internal_layers_carry_no_purge_keys_and_a_rule_for_bases_spares_their_records() -> None:
    """Nobody is shown a base or a body; and whoever moves base clips away keeps what is known of them."""
    for name in ("base", "base record", "body", "body record"):
        assert layout.CACHE_TAG not in BUILT[name].metadata
    assert [BUILT[name].tags["kind"] for name in ("base", "base record", "body", "body record")] == [
        "base",
        "record",
        "body",
        "body",
    ]


def test_a_clip_carries_what_a_cdn_purges_by() -> None:
    """The surrogate keys travel as one header, and those of lasting things as tags."""
    clip = BUILT["clip"]
    assert clip.metadata["cache-tag"] == ",".join(PURGE_BY)
    assert clip.metadata["sha256"] == DIGEST
    assert clip.tags == {
        "kind": "clip",
        "product": "product-sku-1",
        "promo": "promo-summer",
        "category": "category-food",
    }
    assert BUILT["alias"].metadata["revision"] == "7"
    assert layout.CACHE_TAG not in BUILT["base"].metadata
