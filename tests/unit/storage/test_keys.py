"""Laws of keys, attributes and addresses, for any text."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.storage import keys
from consumer.storage.store import Attributes

PIECES = st.text("ab./\\ %-_\x00\né", max_size=12)


@given(st.text(max_size=30) | PIECES)
@example("a/../b")
@example("a/ /b")
@example("a//b")
def test_what_passes_cannot_leave_its_prefix(key: str) -> None:
    """Every key that is accepted is a plain relative path, in ASCII, with nothing hidden."""
    if not keys.is_key(key):
        with pytest.raises(ValueError, match="key"):
            keys.check_key(key)
        return
    assert keys.check_key(key) is key
    assert key.isascii()
    assert key.isprintable()
    assert "\\" not in key
    for segment in key.split("/"):
        assert segment
        assert not segment.startswith((".", " "))
        assert not segment.endswith(" ")


def test_lengths_are_bounded() -> None:
    """The longest are accepted, one more is not."""
    assert keys.is_key("a" * keys.LONGEST_SEGMENT)
    assert not keys.is_key("a" * (keys.LONGEST_SEGMENT + 1))
    whole = "/".join(["a" * 199] * 4 + ["a" * 100])
    assert len(whole) == keys.LONGEST_KEY
    assert keys.is_key(whole)
    assert not keys.is_key(f"{whole}a")


def test_a_refusal_shows_a_hostile_key_harmlessly() -> None:
    """The message is short, and plain ASCII."""
    with pytest.raises(ValueError, match="key") as caught:
        keys.check_key("\u202e\x1b[2J" * 1_000)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1_000


@given(PIECES)
def test_a_prefix_is_the_beginning_of_a_key(prefix: str) -> None:
    """A prefix is accepted exactly if some key begins with it."""
    possible = not prefix or keys.is_key(f"{prefix}x")
    try:
        assert keys.check_prefix(prefix) == prefix
    except ValueError:
        assert not possible
    else:
        assert possible


@given(st.text())
@example("  a  b ")
@example("%20")
@example("a\r\nx-amz-meta-evil: 1")
def test_an_encoded_value_fits_a_header_and_comes_back(value: str) -> None:
    """Every text survives HTTP: printable ASCII, no blank at the ends, no two in a row."""
    encoded = keys.encode_value(value)
    assert unquote(encoded) == value
    assert encoded.isascii()
    assert encoded.isprintable()
    assert encoded.strip() == encoded
    assert "  " not in encoded


@given(st.text("abcXYZ019,.-_:;/=+ ").map(lambda text: " ".join(text.split())))
def test_plain_values_travel_as_they_are(value: str) -> None:
    """What a CDN reads, such as surrogate keys with commas, is not disguised."""
    assert keys.encode_value(value) == value


def test_what_is_no_text_is_refused() -> None:
    """A lone surrogate has no bytes."""
    with pytest.raises(ValueError, match="surrogates"):
        keys.check_attributes(Attributes(metadata={"a": "\ud800"}))


def test_tags_and_metadata_reach_their_limits() -> None:
    """Exactly as much as S3 takes is accepted."""
    full = Attributes(
        metadata={"a": "x" * (keys.MOST_METADATA - 1)},
        tags={f"{n}" + "k" * 127: "v" * 256 for n in range(10)},
    )
    assert keys.check_attributes(full) is full


@given(st.from_regex(r"[a-z %#?&=+~'()-]{1,9}(/[a-z %]{1,5})?", fullmatch=True).filter(keys.is_key))
def test_an_address_leads_back_to_its_key(key: str) -> None:
    """No character of a key is taken for a part of the URL."""
    url = urlsplit(keys.address("https://cdn.example/root/", key))
    assert (url.scheme, url.netloc, url.query, url.fragment) == ("https", "cdn.example", "", "")
    assert unquote(url.path) == f"/root/{key}"


@pytest.mark.parametrize(
    "url",
    ["", "cdn.example", "ftp://cdn.example", "https://", "https:///x", "https://u:p@cdn.example", "https://cdn/?x=1",
     "https://cdn/#x", "file:///srv"],
)  # fmt: skip
def test_an_address_that_no_key_can_follow_is_refused(url: str) -> None:
    """The message names the setting, and repeats no password."""
    with pytest.raises(ValueError, match=r"store\.public_url") as caught:
        keys.check_public_url(url)
    assert "u:p" not in str(caught.value)


def test_a_good_address_loses_its_last_slash() -> None:
    """One slash stands between address and key."""
    assert keys.check_public_url("https://cdn.example/clips//") == "https://cdn.example/clips"
