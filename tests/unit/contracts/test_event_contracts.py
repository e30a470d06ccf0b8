"""The typed events and the schemas are in step: every value survives the wire, every field is named on both sides."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from functools import cache
from typing import Any

import avro.io
import avro.schema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import consumer.events
from consumer.stream.check import faults_of
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.jsonform import from_json, to_json
from consumer.stream.schemas import load, schema_folder
from tests.unit.contracts.event_strategies import EVENTS

SCHEMAS = load()
CODEC = SingleObjectCodec(SCHEMAS)
SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def apache(topic: str) -> avro.schema.Schema:
    """The schema as Apache's library parses it."""
    return avro.schema.parse((schema_folder() / f"{topic}.avsc").read_text())


topics = pytest.mark.parametrize("topic", EVENTS)


@topics
@given(values=st.data())
@SLOW
def test_every_event_survives_the_wire(topic: str, values: st.DataObject) -> None:
    """Typed value → Avro → bytes → Avro → typed value: equal."""
    kind, strategy = EVENTS[topic]
    event = values.draw(strategy)
    value, headers = CODEC.encode(topic, event.to_avro())
    assert kind.from_avro(CODEC.decode(topic, value, headers)) == event


@topics
@given(values=st.data())
@SLOW
def test_apaches_library_reads_what_we_write(topic: str, values: st.DataObject) -> None:
    """Another team's library finds the same event in our bytes."""
    kind, strategy = EVENTS[topic]
    event = values.draw(strategy)
    value, _headers = CODEC.encode(topic, event.to_avro())
    read = avro.io.DatumReader(apache(topic)).read(avro.io.BinaryDecoder(io.BytesIO(value[10:])))
    assert kind.from_avro(read) == event


@topics
@given(values=st.data())
@SLOW
def test_we_read_what_apaches_library_writes(topic: str, values: st.DataObject) -> None:
    """Another team's producer reaches us."""
    kind, strategy = EVENTS[topic]
    event = values.draw(strategy)
    target = io.BytesIO()
    avro.io.DatumWriter(apache(topic)).write(_scaled(event.to_avro()), avro.io.BinaryEncoder(target))
    framed = b"\xc3\x01" + SCHEMAS.of(topic).fingerprint + target.getvalue()
    assert kind.from_avro(CODEC.decode(topic, framed)) == event


@topics
@given(values=st.data())
@SLOW
def test_every_event_survives_json(topic: str, values: st.DataObject) -> None:
    """What ``tail`` prints, ``publish`` takes: equal."""
    kind, strategy = EVENTS[topic]
    event = values.draw(strategy)
    parsed = SCHEMAS.of(topic).parsed
    text = json.dumps(to_json(parsed, event.to_avro()), allow_nan=False)
    assert kind.from_avro(from_json(parsed, json.loads(text), topic)) == event


@topics
@given(values=st.data())
@SLOW
def test_events_and_schemas_have_the_same_fields(topic: str, values: st.DataObject) -> None:
    """No field of the schema is missing from ``to_avro``, at any depth, and none is there that it does not know."""
    datum = values.draw(EVENTS[topic][1]).to_avro()
    parsed = SCHEMAS.of(topic).parsed
    assert faults_of(parsed, datum, topic) == []
    assert _absent(parsed, datum, parsed["__named_schemas"]) == []


def test_every_event_type_is_tried() -> None:
    """A new typed event must be added to the strategies."""
    tried = {kind for kind, _strategy in EVENTS.values()}
    parts = {"Image", "Price", "Cause", "Clip", "Lineage", "Reason"}
    kinds = {
        value
        for name, value in vars(consumer.events).items()
        if hasattr(value, "from_avro") and value.__module__ == "consumer.events" and name not in parts
    }
    assert {kind for kind in kinds if hasattr(kind, "to_avro")} - tried <= {getattr(consumer.events, "Promo", None)}


def _absent(schema: Any, value: Any, names: Any) -> list[str]:
    """Fields of the schema that a datum leaves to their defaults."""
    if isinstance(schema, str):
        schema = names.get(schema, schema)
    if isinstance(schema, list):
        return [] if value is None else _absent(schema[1], value, names)
    if isinstance(schema, str) or schema["type"] not in {"record", "array"}:
        return []
    if schema["type"] == "array":
        return [name for item in value for name in _absent(schema["items"], item, names)]
    absent = [field["name"] for field in schema["fields"] if field["name"] not in value]
    for field in schema["fields"]:
        absent += _absent(field["type"], value.get(field["name"]), names) if field["name"] in value else []
    return absent


def _scaled(datum: dict[str, Any]) -> dict[str, Any]:
    """Apache's library wants decimals at the schema's scale."""
    if not datum.get("price"):
        return datum
    amount = Decimal(datum["price"]["amount"]).quantize(Decimal("0.0001"))
    return datum | {"price": datum["price"] | {"amount": amount}}
