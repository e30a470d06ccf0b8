"""Random and damaged bytes: a decoder answers with a value or with DecodeError, and with nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest
from fastavro import parse_schema
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.stream.codec import VALUE_SCHEMA_ID, DecodeError, SingleObjectCodec
from consumer.stream.schemas import Schemas, crc64, load
from consumer.stream.types import Headers
from tests.unit.stream_codec.samples import PRODUCT, TOPIC, product_schema, without

KNOWN = load()
OLDER: Any = parse_schema(without(product_schema(), "tags", "price"))
CODEC = SingleObjectCodec(Schemas([KNOWN.of(topic) for topic in KNOWN.topics], [OLDER]))
FRAMES = [b"\xc3\x01" + mark for mark in (crc64(OLDER), *(KNOWN.of(topic).fingerprint for topic in KNOWN.topics))]


def answer(topic: str, value: bytes, headers: Headers = ()) -> bool:
    """Whether it was read; anything but DecodeError fails the test."""
    try:
        datum = CODEC.decode(topic, value, headers)
    except DecodeError:
        return False
    return isinstance(datum, dict)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(KNOWN.topics), st.binary(max_size=300), st.binary(max_size=20))
def test_random_bytes(topic: str, value: bytes, header: bytes) -> None:
    """With and without a schema id in the headers."""
    answer(topic, value)
    answer(topic, value, [(VALUE_SCHEMA_ID, header)])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(KNOWN.topics), st.sampled_from(FRAMES), st.binary(max_size=300))
def test_random_bytes_behind_a_good_frame(topic: str, frame: bytes, body: bytes) -> None:
    """Past the first look-up, into the decoder, under each topic's schema."""
    answer(topic, frame + body)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_records(seed: int) -> None:
    """Bytes changed, cut out, doubled and put in: 500 damages of a good record a seed."""
    dice = random.Random(seed)
    good, headers = CODEC.encode(TOPIC, PRODUCT)
    for _ in range(500):
        value = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(10, len(value))
            what = dice.randrange(4)
            if what == 0:
                value[at] = dice.randrange(256)
            elif what == 1:
                del value[at : at + dice.randint(1, 5)]
            elif what == 2:
                value[at:at] = value[at : at + dice.randint(1, 8)]
            else:
                value[at:at] = dice.randbytes(dice.randint(1, 10))
            if len(value) <= 11:
                break
        answer(TOPIC, bytes(value), headers)
