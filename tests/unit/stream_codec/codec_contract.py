"""The laws every codec obeys, whatever its framing: one suite, run for each implementation."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from consumer.stream.codec import MAX_BYTES, Codec, DecodeError, EncodeError
from consumer.stream.schemas import SchemaError
from consumer.stream.types import Headers
from tests.unit.stream_codec.samples import (
    avro,
    field_of,
    product,
    product_schema,
    without,
    zigzag,
)

Framer = Callable[[bytes], tuple[bytes, Headers]]


@dataclass(frozen=True, slots=True)
class Rig:
    """A codec, the topic its products lie on, and a way to make another writer's schema known."""

    topic: str
    open: Callable[[tuple[Any, ...]], Codec]
    """A codec to which these schemas (JSON) of other writers are known."""
    framer: Callable[[Any], Framer]
    """Frames bare Avro as a writer of this schema would, once ``open`` made it known."""

    def reads(self, schema: Any, body: bytes) -> dict[str, Any]:
        """What a fresh codec makes of bare Avro written with ``schema``."""
        codec = self.open((schema,))
        return codec.decode(self.topic, *self.framer(schema)(body))


class CodecContract:
    """Inherit, and give the fixture ``rig``."""

    def test_what_is_encoded_is_decoded_equal(self, rig: Rig) -> None:
        """Encoding and decoding give back an equal value, decimals and times included."""
        codec = rig.open(())
        assert codec.decode(rig.topic, *codec.encode(rig.topic, product())) == product()

    def test_every_encoded_value_says_its_content_type(self, rig: Rig) -> None:
        """The content type travels with the value."""
        _value, headers = rig.open(()).encode(rig.topic, product())
        assert ("content-type", b"application/avro") in headers

    def test_fields_with_a_default_may_be_missing(self, rig: Rig) -> None:
        """The encoder fills defaults."""
        codec = rig.open(())
        small = {
            key: product()[key] for key in ("event_id", "occurred_at", "product_id", "revision", "name", "category")
        }
        read = codec.decode(rig.topic, *codec.encode(rig.topic, small))
        assert (read["tier"], read["images"], read["price"]) == ("STANDARD", [], None)

    def test_an_earlier_schema_reads_with_our_defaults(self, rig: Rig) -> None:
        """A field that the writer did not know has its default, and each record its own copy of it."""
        older = without(product_schema(), "tags", "tier")
        codec, frame = rig.open((older,)), rig.framer(older)
        first = codec.decode(rig.topic, *frame(avro(older, product())))
        first["tags"].append("changed by its reader")
        second = codec.decode(rig.topic, *frame(avro(older, product())))
        assert (second["tags"], second["tier"]) == ([], "STANDARD")

    def test_a_later_schema_reads_without_its_news(self, rig: Rig) -> None:
        """A field that we do not know is dropped."""
        newer = product_schema()
        newer["fields"].insert(3, {"name": "weight", "type": "double", "default": 0.0})
        assert rig.reads(newer, avro(newer, product() | {"weight": 1.5})) == product()

    def test_an_unknown_symbol_reads_as_the_default(self, rig: Rig) -> None:
        """A later release's enum symbol reads as our enum's default."""
        newer = product_schema()
        field_of(newer, "tier")["type"]["symbols"].append("GLACIAL")
        assert rig.reads(newer, avro(newer, product() | {"tier": "GLACIAL"}))["tier"] == "STANDARD"

    def test_an_incompatible_schema_is_poison(self, rig: Rig) -> None:
        """A schema that lacks a field without default is refused, naming the field."""
        wrong = without(product_schema(), "product_id")
        with pytest.raises(DecodeError, match="incompatible: product_id: missing"):
            rig.reads(wrong, avro(wrong, product()))

    def test_another_topics_record_is_poison(self, rig: Rig) -> None:
        """A record of another name is refused, even where its fields would fit."""
        wrong = product_schema() | {"name": "ParcelCreated"}
        with pytest.raises(DecodeError, match="ParcelCreated; ProductCreated wanted"):
            rig.reads(wrong, avro(wrong, product()))

    def test_every_truncation_is_poison(self, rig: Rig) -> None:
        """A value cut anywhere is refused."""
        codec = rig.open(())
        value, headers = codec.encode(rig.topic, product())
        for length in range(len(value)):
            with pytest.raises(DecodeError):
                codec.decode(rig.topic, value[:length], headers)

    def test_a_truncation_inside_what_we_drop_is_poison(self, rig: Rig) -> None:
        """Bytes we would not use must be there all the same: the record was damaged."""
        newer = product_schema()
        newer["fields"].append({"name": "note", "type": "string", "default": ""})
        body = avro(newer, product() | {"note": "twelve bytes"})
        with pytest.raises(DecodeError, match="truncated"):
            rig.reads(newer, body[:-5])

    def test_bytes_left_over_are_poison(self, rig: Rig) -> None:
        """A value with more bytes than its schema reads was written with another one."""
        codec = rig.open(())
        value, headers = codec.encode(rig.topic, product())
        with pytest.raises(DecodeError, match="2 bytes left"):
            codec.decode(rig.topic, value + b"\0\0", headers)

    def test_no_framing_is_poison(self, rig: Rig) -> None:
        """Bytes that begin like no framing are refused by what they begin with."""
        with pytest.raises(DecodeError, match=r"magic byte.*7b22"):
            rig.open(()).decode(rig.topic, b'{"product_id": 1}')

    def test_an_empty_value_is_poison(self, rig: Rig) -> None:
        """No bytes are no value, and no tombstone."""
        with pytest.raises(DecodeError, match="empty"):
            rig.open(()).decode(rig.topic, b"")

    def test_a_value_over_the_limit_is_poison(self, rig: Rig) -> None:
        """Size is bounded before anything is read."""
        codec = rig.open(())
        value, headers = codec.encode(rig.topic, product() | {"name": "x" * MAX_BYTES})
        with pytest.raises(DecodeError, match="at most"):
            codec.decode(rig.topic, value, headers)

    def test_a_megabyte_of_name_is_fine(self, rig: Rig) -> None:
        """What Kafka carries by default can be read."""
        codec = rig.open(())
        long = product() | {"name": "x" * 1_000_000}
        assert codec.decode(rig.topic, *codec.encode(rig.topic, long)) == long

    @pytest.mark.parametrize("length", [1 << 60, (1 << 63) - 1, 1 << 31, -1, -5, -(1 << 63)])
    def test_a_text_cannot_claim_more_than_there_is(self, rig: Rig, length: int) -> None:
        """A declared length beyond the bytes, or below nothing, is poison and costs no memory."""
        codec = rig.open(())
        value, headers = codec.encode(rig.topic, product())
        start = value.index(zigzag(7) + b"event-1")
        self._refused_cheaply(codec, rig.topic, value[:start] + zigzag(length) + value[start + 1 :], headers)

    @pytest.mark.parametrize("count", [1 << 60, (1 << 63) - 1, -(1 << 62)])
    def test_a_list_cannot_claim_more_than_there_is(self, rig: Rig, count: int) -> None:
        """A declared count beyond the bytes is poison and costs no memory."""
        codec = rig.open(())
        value, headers = codec.encode(rig.topic, product())
        start = value.index(zigzag(2) + zigzag(13) + b"boils")
        self._refused_cheaply(codec, rig.topic, value[:start] + zigzag(count) + value[start + 1 :], headers)

    @staticmethod
    def _refused_cheaply(codec: Codec, topic: str, value: bytes, headers: Headers) -> None:
        tracemalloc.start()
        try:
            with pytest.raises(DecodeError):
                codec.decode(topic, value, headers)
            assert tracemalloc.get_traced_memory()[1] < 5_000_000
        finally:
            tracemalloc.stop()

    def test_a_list_of_nothing_is_refused(self, rig: Rig) -> None:
        """A schema whose list items need no bytes would let ten bytes make a list without end."""
        hostile = product_schema()
        hostile["fields"].append({"name": "holes", "type": {"type": "array", "items": "null"}, "default": []})
        body = avro(hostile, product())[:-1] + zigzag(1 << 60) + b"\0"
        with pytest.raises(DecodeError, match=r"holes: .*without bytes"):
            rig.reads(hostile, body)

    def test_a_recursive_schema_is_refused(self, rig: Rig) -> None:
        """A schema that goes round would let a few kilobytes overrun the decoder's stack."""
        hostile = product_schema()
        tree = {
            "type": "record",
            "name": "Tree",
            "fields": [{"name": "next", "type": ["null", "Tree"], "default": None}],
        }
        hostile["fields"].append({"name": "tree", "type": ["null", tree], "default": None})
        body = avro(hostile, product())[:-1] + zigzag(1) * 100_000 + b"\0"
        with pytest.raises(DecodeError, match=r"tree\.next: .*recursive"):
            rig.reads(hostile, body)

    def test_a_schema_that_unfolds_without_end_is_refused(self, rig: Rig) -> None:
        """Names used twice at each level double the work: bounded."""
        hostile = product_schema()
        inner: Any = {"type": "record", "name": "L0", "fields": [{"name": "x", "type": "null"}]}
        for level in range(1, 16):
            fields = [{"name": "a", "type": inner}, {"name": "b", "type": f"L{level - 1}"}]
            inner = {"type": "record", "name": f"L{level}", "fields": fields}
        hostile["fields"].append({"name": "bomb", "type": inner})
        with pytest.raises(DecodeError, match="unfolds to more than"):
            rig.reads(hostile, b"\0" * 20)

    def test_text_that_is_not_utf8_is_poison(self, rig: Rig) -> None:
        """Texts are UTF-8 or the record is poison."""
        codec = rig.open(())
        value, headers = codec.encode(rig.topic, product())
        with pytest.raises(DecodeError, match="UTF-8"):
            codec.decode(rig.topic, value.replace(b"event-1", b"event-\xff"), headers)

    def test_poison_says_at_which_stage(self, rig: Rig) -> None:
        """The stage goes into the dead letter."""
        with pytest.raises(DecodeError) as caught:
            rig.open(()).decode(rig.topic, b"\xff")
        assert caught.value.stage == "decode"

    def test_an_encoder_names_the_field(self, rig: Rig) -> None:
        """A value that does not fit is refused by path, all its faults with it."""
        wrong = product() | {
            "price": {"amount": product()["price"]["amount"], "currency": 5},
            "images": [{"url": None}],
        }
        with pytest.raises(EncodeError) as caught:
            rig.open(()).encode(rig.topic, wrong)
        paths = {fault.path for fault in caught.value.faults}
        assert {f"{rig.topic}.price.currency", f"{rig.topic}.images[0].url"} <= paths

    def test_an_encoder_refuses_fields_it_does_not_know(self, rig: Rig) -> None:
        """A misspelt field is not dropped in silence."""
        with pytest.raises(EncodeError, match=r"\.colur: no such field"):
            rig.open(()).encode(rig.topic, product() | {"colur": "red"})

    def test_a_topic_without_schema_is_the_callers_mistake(self, rig: Rig) -> None:
        """An unknown topic is neither poison nor an outage."""
        codec = rig.open(())
        with pytest.raises(SchemaError, match="no schema for this topic"):
            codec.encode("parcels", {})
        with pytest.raises(SchemaError, match="no schema for this topic"):
            codec.decode("parcels", b"\0\0\0\0\1")

    def test_preparing_is_idempotent(self, rig: Rig) -> None:
        """What is prepared twice encodes as ever."""
        codec = rig.open(())
        codec.prepare([rig.topic])
        codec.prepare([rig.topic])
        assert codec.decode(rig.topic, *codec.encode(rig.topic, product())) == product()

    def test_threads_may_share_a_codec(self, rig: Rig) -> None:
        """Eight threads that meet a schema at once all read it."""
        older = without(product_schema(), "tier")
        codec, frame = rig.open((older,)), rig.framer(older)
        record = frame(avro(older, product()))
        start, seen = threading.Barrier(8), list[str]()

        def read() -> None:
            start.wait()
            seen.extend(codec.decode(rig.topic, *record)["tier"] for _ in range(20))

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == ["STANDARD"] * 160
