"""Avro single-object encoding: the codec contract, and what is particular to fingerprints."""

from __future__ import annotations

import json
from typing import Any, cast

import avro.schema
import pytest
from fastavro import parse_schema

from consumer.stream.codec import VALUE_SCHEMA_ID, Codec, DecodeError, SingleObjectCodec
from consumer.stream.schemas import Schemas, crc64, load
from tests.unit.stream_codec.codec_contract import CodecContract, Framer, Rig
from tests.unit.stream_codec.samples import TOPIC, product, product_schema


def opened(others: tuple[Any, ...] = ()) -> Codec:
    """A codec that knows further writers' schemas."""
    known = load()
    parsed = [cast("dict[str, Any]", parse_schema(schema)) for schema in others]
    return SingleObjectCodec(Schemas([known.of(topic) for topic in known.topics], parsed))


def plain(schema: Any) -> Any:
    """The schema without logical types: Apache's Python library leaves ``{"type": "long"}`` of them in the canonical
    form, where the specification (and Java) has ``"long"``.
    """
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if isinstance(schema, dict):
        return {key: plain(part) for key, part in schema.items() if key not in {"logicalType", "precision", "scale"}}
    return schema


def framer(schema: Any) -> Framer:
    """Frames as Apache Avro's own fingerprint says."""
    mark = avro.schema.parse(json.dumps(plain(schema))).fingerprint("CRC-64-AVRO")
    return lambda body: (b"\xc3\x01" + mark + body, ())


class TestSingleObjectCodec(CodecContract):
    """The contract, without a registry."""

    @pytest.fixture
    def rig(self) -> Rig:
        return Rig(TOPIC, opened, framer)


def test_the_fingerprint_is_the_specifications() -> None:
    """The specification's own vector: "int" has 0x7275d51a3f395c8f, written low byte first."""
    assert crc64(cast("dict[str, Any]", parse_schema("int"))) == (0x7275D51A3F395C8F).to_bytes(8, "little")


def test_the_frame_is_magic_and_fingerprint() -> None:
    """C3 01, then the current schema's fingerprint as Apache Avro computes it."""
    value, _headers = opened().encode(TOPIC, product())
    assert value.startswith(framer(product_schema())(b"")[0])


def test_the_frozen_release_is_known() -> None:
    """Schemas of earlier releases are found by fingerprint without anyone teaching them."""
    assert load().writer(load().of(TOPIC).fingerprint) is not None


def test_an_unknown_fingerprint_is_poison() -> None:
    """The fingerprint is named."""
    with pytest.raises(DecodeError, match="fingerprint 0102030405060708"):
        opened().decode(TOPIC, b"\xc3\x01" + bytes(range(1, 9)) + b"rest")


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"\0\0\0\0\7rest", ()),
        (b"\1" + bytes(16) + b"rest", ()),
        (b"rest", [(VALUE_SCHEMA_ID, b"\0\0\0\0\7")]),
        (b"rest", [(VALUE_SCHEMA_ID, b"\1" + bytes(16))]),
    ],
)
def test_registry_framings_are_poison_without_a_registry(value: bytes, headers: Any) -> None:
    """The message says what is missing."""
    with pytest.raises(DecodeError, match="none is configured"):
        opened().decode(TOPIC, value, headers)


@pytest.mark.parametrize("content", [b"", b"\0", b"\0\0\0\0\1\1", b"\1short", b"\xc3\x01" + bytes(8), "text"])
def test_a_header_that_is_no_schema_id_is_poison(content: Any) -> None:
    """Length and magic byte must both be right."""
    with pytest.raises(DecodeError, match="no schema id"):
        opened().decode(TOPIC, b"rest", [(VALUE_SCHEMA_ID, content)])


def test_a_null_header_is_no_header() -> None:
    """As in Confluent's deserializers: the value's own frame counts then, and only the first header is looked at."""
    codec = opened()
    value, _ = codec.encode(TOPIC, product())
    headers = [("other", b"x"), (VALUE_SCHEMA_ID, None), (VALUE_SCHEMA_ID, b"\0\0\0\0\1")]
    for _first_and_known in range(2):
        assert codec.decode(TOPIC, value, headers) == product()


def test_a_refusal_is_bounded() -> None:
    """A message may quote a hostile schema, and must still fit into a dead letter's headers."""
    wrong = product_schema() | {"name": "N" * 10_000}
    with pytest.raises(DecodeError, match="incompatible: record N") as caught:
        opened((wrong,)).decode(TOPIC, *framer(wrong)(b"body"))
    assert len(str(caught.value)) <= 500


def test_refusals_are_remembered_and_bounded() -> None:
    """A flood of distinct poison does not grow memory without end."""
    codec = opened()
    assert isinstance(codec, SingleObjectCodec)
    for number in range(2_500):
        with pytest.raises(DecodeError):
            codec.decode(TOPIC, b"\xc3\x01" + number.to_bytes(8) + b"rest")
    assert len(codec._refusals) <= 1_000
