"""Records that cannot be worked, by kind: how each is made of a healthy one, and where it must be given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Encode = Callable[[Mapping[str, Any]], bytes]
"""A JSON event to its framed bytes."""
Made = tuple[bytes | None, bytes | None]
"""Key and value of a record."""


@dataclass(frozen=True, kw_only=True)
class Poison:
    """One kind."""

    name: str
    topic: str
    like: str
    """The topic whose events it is made of."""
    stage: str
    """Where the dead letter says that it was given up."""
    make: Callable[[str, Mapping[str, Any], Encode], Made]


def _same(key: str) -> bytes:
    return key.encode()


def _changed(**fields: Any) -> Callable[[str, Mapping[str, Any], Encode], Made]:
    return lambda key, event, encode: (_same(key), encode({**event, **fields}))


def _of_product(name: str, stage: str, make: Callable[[str, Mapping[str, Any], Encode], Made]) -> Poison:
    return Poison(name=name, topic="product_created", like="product_created", stage=stage, make=make)


def _of_promo(name: str, stage: str, make: Callable[[str, Mapping[str, Any], Encode], Made]) -> Poison:
    return Poison(name=name, topic="promo_changed", like="promo_changed", stage=stage, make=make)


KINDS = (
    _of_product("noise", "decode", lambda key, _, __: (_same(key), bytes(range(200, 232)))),
    _of_product("empty", "decode", lambda key, _, __: (_same(key), b"")),
    _of_product("cut", "decode", lambda key, event, encode: (_same(key), encode(event)[:-7])),
    _of_product("unknown schema", "decode", lambda key, event, encode: (_same(key), _foreign(encode(event)))),
    _of_product("key of another", "validate", lambda key, event, encode: (_same(key + "-x"), encode(event))),
    _of_product("no key", "validate", lambda _, event, encode: (None, encode(event))),
    _of_product("tombstone without key", "validate", lambda *_: (None, None)),
    _of_product("key that is no text", "validate", lambda *_: (b"\xff\xfe", None)),
    _of_product("negative revision", "validate", _changed(revision=-3)),
    _of_product("no name", "validate", _changed(name="  ")),
    _of_promo("promotion of noise", "decode", lambda key, _, __: (_same(key), b"\x00\x01\x02")),
    _of_promo("no colour", "validate", _changed(creative={"ribbon": {"text": {"en": "Sale"}, "colour": "red"}})),
    _of_promo("ends before it starts", "validate", _changed(starts_at=20.0, ends_at=10.0)),
    _of_promo(
        "too long to read",
        "validate",
        _changed(status="ACTIVE", creative={"end_card": {"headline": {"en": "Everything must go " * 40}}}),
    ),
    Poison(
        name="request of noise",
        topic="clip_render",
        like="product_created",
        stage="decode",
        make=lambda key, _, __: (_same(key), b"\xc3\x01" + bytes(20)),
    ),
)
"""All of them."""

BY_NAME = {kind.name: kind for kind in KINDS}


def _foreign(framed: bytes) -> bytes:
    """The same bytes under a fingerprint that nobody has a schema for."""
    return framed[:2] + bytes(each ^ 0x5A for each in framed[2:10]) + framed[10:]
