"""What every store asks of keys and attributes before it touches a disk or a wire. Knows no store and no clip."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from consumer.storage.store import Attributes

LONGEST_KEY = 900
"""Characters of a key: S3 ends at 1,024 bytes, and a prefix must fit in front."""
LONGEST_SEGMENT = 200
"""Characters between two slashes: file systems end at 255 bytes."""
MOST_TAGS = 10
MOST_METADATA = 2048
"""Bytes of metadata, names and values together: S3's bound."""

_CHARACTERS = r"[ !-.0-\[\]-~]"
"""Printable ASCII without slash and backslash: others change their shape on the way through file systems and URLs."""
_SEGMENT = re.compile(rf"(?![. ]){_CHARACTERS}*(?<! )")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_HEADER = re.compile(r"(?! )[ -~]*(?<! )")
_TAG = re.compile(r"[\w \-+=.:/@]*")


def _shown(text: str) -> str:
    """A hostile text, fit for a message."""
    return ascii(text if len(text) <= 80 else f"{text[:77]}…")


def check_key(key: str) -> str:
    """The key itself. Raises ValueError for one that could leave its prefix, or that some store would not keep."""
    if not key or len(key) > LONGEST_KEY:
        raise ValueError(f"key {_shown(key)}: 1 to {LONGEST_KEY} characters are allowed, not {len(key)}")
    for segment in key.split("/"):
        if not segment or len(segment) > LONGEST_SEGMENT or not _SEGMENT.fullmatch(segment):
            raise ValueError(
                f"key {_shown(key)}: between slashes stand 1 to {LONGEST_SEGMENT} printable ASCII characters, "
                "no backslash, not beginning with a dot, no blank at either end"
            )
    return key


def is_key(key: str) -> bool:
    """True for what ``check_key`` lets pass."""
    try:
        check_key(key)
    except ValueError:
        return False
    return True


def check_prefix(prefix: str) -> str:
    """The prefix itself: nothing, or the beginning of a key. Raises ValueError otherwise."""
    if prefix:
        # A prefix may end anywhere in a key, so in a slash or a blank too: one letter more must make a key of it.
        check_key(f"{prefix}x")
    return prefix


def check_attributes(attributes: Attributes) -> Attributes:
    """The attributes themselves. Raises ValueError naming what S3 would refuse or a header could not carry."""
    for name, value in (("content_type", attributes.content_type), ("cache_control", attributes.cache_control)):
        if not _HEADER.fullmatch(value):
            raise ValueError(f"{name}: {_shown(value)} is not printable ASCII without blanks at its ends")
    if not attributes.content_type:
        raise ValueError("content_type: must not be empty")
    size = 0
    for name, value in attributes.metadata.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"metadata {_shown(name)}: a name is lower-case ASCII, digits, dot, hyphen, underscore")
        size += len(name) + len(encode_value(value))
    if size > MOST_METADATA:
        raise ValueError(f"metadata: {size} bytes, at most {MOST_METADATA} are allowed")
    if len(attributes.tags) > MOST_TAGS:
        raise ValueError(f"tags: {len(attributes.tags)}, at most {MOST_TAGS} are allowed")
    for name, value in attributes.tags.items():
        if not 1 <= len(name) <= 128 or len(value) > 256 or not _TAG.fullmatch(name) or not _TAG.fullmatch(value):
            raise ValueError(f"tag {_shown(name)}={_shown(value)}: letters, digits, blanks and + - = . _ : / @ only")
    return attributes


_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
_BLANKS = re.compile(r"^ | $|(?<= ) ")


def encode_value(value: str) -> str:
    """Metadata as a header carries it: printable ASCII stays, everything else is percent-encoded UTF-8.

    Blanks at the ends and in rows are encoded too, for HTTP drops them. Raises ValueError for lone surrogates.
    """
    return _BLANKS.sub("%20", quote(value, safe=f"{_PLAIN} ", errors="strict"))


def address(base: str, key: str) -> str:
    """The URL of a key below the address under which a store's root is served."""
    return f"{base.rstrip('/')}/{quote(key, safe='/~')}"


def check_public_url(url: str) -> str:
    """The address without a slash at its end. Raises ValueError for what no key can be appended to."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("store.public_url must begin with http:// or https:// and a host")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("store.public_url must have no user, query or fragment: keys are appended to it")
    return url.rstrip("/")
