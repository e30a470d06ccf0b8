"""The codec contract over a registry, in every framing; against SKUREEL_TEST_REGISTRY_URL where that is given.

Without it a stand-in answers (``server.py``), written from the public API reference.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from typing import Any, Literal
from uuid import UUID

import pytest
from confluent_kafka.schema_registry import (
    Schema,
    SchemaRegistryClient,
    dual_schema_id_deserializer,
    header_schema_id_serializer,
    prefix_schema_id_serializer,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from consumer.stream.codec import VALUE_SCHEMA_ID, Codec
from consumer.stream.registry import RegistryCodec, RegistryOptions
from consumer.stream.schemas import Schemas, load
from tests.integration.registry.server import RegistryServer
from tests.unit.stream_codec.codec_contract import CodecContract, Framer, Rig
from tests.unit.stream_codec.samples import product, product_schema


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A registry: the one given, else the stand-in."""
    given = os.environ.get("SKUREEL_TEST_REGISTRY_URL")
    if given:
        yield given
        return
    with RegistryServer() as server:
        yield server.url


@pytest.fixture
def client(url: str) -> Iterator[SchemaRegistryClient]:
    """Confluent's own client."""
    with SchemaRegistryClient({"url": url}) as client:
        yield client


@pytest.fixture
def topic() -> str:
    """A topic no other test uses: the registry may be shared and outlive the run."""
    return f"skureel-test-{uuid.uuid4().hex[:12]}"


def schemas_of(topic: str) -> Schemas:
    """Our contracts, products lying on ``topic``."""
    return load(topics={topic: "product-created"})


def make_rig(
    url: str, client: SchemaRegistryClient, topic: str, framing: Literal["prefix", "header"], *, in_value: bool
) -> Rig:
    """Schemas of other writers are registered under subjects of their own, for they need not be compatible."""

    def open_codec(others: tuple[Any, ...]) -> Codec:
        for schema in others:
            register(schema)
        return RegistryCodec(schemas_of(topic), RegistryOptions(url=url, auto_register=True, framing=framing))

    def register(schema: Any) -> Any:
        subject = f"{topic}-{uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(schema)).hex[:12]}"
        return client.register_schema_full_response(subject, Schema(json.dumps(schema), "AVRO"))

    def framer(schema: Any) -> Framer:
        known = register(schema)
        mark = b"\1" + UUID(known.guid).bytes if framing == "header" else b"\0" + known.schema_id.to_bytes(4)
        return lambda body: (mark + body, ()) if in_value else (body, [("x", b"y"), (VALUE_SCHEMA_ID, mark)])

    return Rig(topic, open_codec, framer)


class TestPrefixedIds(CodecContract):
    """Byte 0 and a four-byte id before the value."""

    @pytest.fixture
    def rig(self, url: str, client: SchemaRegistryClient, topic: str) -> Rig:
        return make_rig(url, client, topic, "prefix", in_value=True)


class TestPrefixedGuids(CodecContract):
    """Byte 1 and a GUID before the value (read; we write GUIDs to headers)."""

    @pytest.fixture
    def rig(self, url: str, client: SchemaRegistryClient, topic: str) -> Rig:
        return make_rig(url, client, topic, "header", in_value=True)


class TestGuidsInHeaders(CodecContract):
    """Byte 1 and a GUID in a header."""

    @pytest.fixture
    def rig(self, url: str, client: SchemaRegistryClient, topic: str) -> Rig:
        return make_rig(url, client, topic, "header", in_value=False)


class TestIdsInHeaders(CodecContract):
    """Byte 0 and an id in a header: Confluent's deserializer reads it, so ours does."""

    @pytest.fixture
    def rig(self, url: str, client: SchemaRegistryClient, topic: str) -> Rig:
        return make_rig(url, client, topic, "prefix", in_value=False)


@pytest.mark.parametrize("framing", ["prefix", "header"])
def test_confluents_deserializer_reads_what_we_write(
    url: str, client: SchemaRegistryClient, topic: str, framing: Literal["prefix", "header"]
) -> None:
    """Both framings agree with confluent-kafka byte for byte, as its own deserializer sees them."""
    codec = RegistryCodec(schemas_of(topic), RegistryOptions(url=url, auto_register=True, framing=framing))
    value, headers = codec.encode(topic, product())
    seen: list[Any] = list(headers)
    theirs = AvroDeserializer(client, conf={"schema.id.deserializer": dual_schema_id_deserializer})
    context = SerializationContext(topic, MessageField.VALUE, seen)
    assert theirs(value, context) == product()


@pytest.mark.parametrize("place", ["prefix", "header"])
def test_we_read_what_confluents_serializer_writes(
    url: str, client: SchemaRegistryClient, topic: str, place: str
) -> None:
    """A producer with confluent-kafka's serializer needs nothing special to reach us."""
    write_id = prefix_schema_id_serializer if place == "prefix" else header_schema_id_serializer
    theirs = AvroSerializer(
        client,
        json.dumps(product_schema()),
        conf={"auto.register.schemas": True, "schema.id.serializer": write_id},
    )
    headers: list[Any] = []
    value = theirs(product(), SerializationContext(topic, MessageField.VALUE, headers))
    assert value is not None
    codec = RegistryCodec(schemas_of(topic), RegistryOptions(url=url))
    assert codec.decode(topic, value, headers) == product()


def test_single_objects_are_read_beside_a_registry(url: str, topic: str) -> None:
    """A topic written before there was a registry stays readable."""
    codec = RegistryCodec(schemas_of(topic), RegistryOptions(url=url, auto_register=True))
    framed, _headers = codec.encode(topic, product())
    mark = schemas_of(topic).of(topic).fingerprint
    assert codec.decode(topic, b"\xc3\x01" + mark + framed[5:]) == product()
