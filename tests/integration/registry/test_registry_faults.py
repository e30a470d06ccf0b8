"""A registry that is out, slow or wrong: never the record's fault, never a leak, and over when it is over."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from consumer.stream.codec import DecodeError
from consumer.stream.registry import RegistryCodec, RegistryOptions
from consumer.stream.schemas import load
from consumer.stream.types import UnavailableError
from tests.integration.registry.server import Fault, RegistryServer
from tests.unit.stream_codec.samples import TOPIC, avro, product, product_schema, without

SECRET = "hunter2-s3cret"
FAULTS: tuple[Fault, ...] = ("500", "503", "429", "401", "404", "not json", "wrong json", "no schema", "html")


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    """A registry that holds the schema of products under its subject."""
    with RegistryServer() as server:
        server.register(f"{TOPIC}-value", product_schema())
        yield server


def codec_for(server: RegistryServer, **options: Any) -> RegistryCodec:
    """A codec that does not try long."""
    return RegistryCodec(load(), RegistryOptions(url=server.url, **({"timeout": 0.3, "retries": 0} | options)))


def framed(number: int = 1, schema: Any = None) -> bytes:
    """A product under a schema id."""
    return b"\0" + number.to_bytes(4) + avro(schema or product_schema(), product())


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_16_a_wrong_answer_is_an_outage_and_ends(server: RegistryServer, fault: Fault) -> None:
    """Reading and writing both wait while a registry answers wrongly, and go on when it is well."""
    codec = codec_for(server)
    server.fault = fault
    with pytest.raises(UnavailableError, match="registry: http://127"):
        codec.decode(TOPIC, framed())
    with pytest.raises(UnavailableError, match="registry: http://127"):
        codec.encode(TOPIC, product())
    server.fault = None
    assert codec.decode(TOPIC, framed()) == product()
    assert codec.decode(TOPIC, *codec.encode(TOPIC, product())) == product()


def test_fault_16_a_slow_registry_is_an_outage_and_ends(server: RegistryServer) -> None:
    """The time-out bounds the wait."""
    codec = codec_for(server)
    server.fault = "slow"
    with pytest.raises(UnavailableError, match="Timeout"):
        codec.decode(TOPIC, framed())
    server.fault = None
    server.release.set()
    assert codec.decode(TOPIC, framed()) == product()


def test_fault_16_a_registry_that_is_down_is_an_outage_and_ends(server: RegistryServer) -> None:
    """Nobody listening, then somebody again."""
    codec = codec_for(server)
    server.stop()
    with pytest.raises(UnavailableError, match="Connect"):
        codec.decode(TOPIC, framed())
    with pytest.raises(UnavailableError, match="Connect"):
        codec.prepare([TOPIC])
    server.start()
    assert codec.decode(TOPIC, framed()) == product()


def test_what_is_known_needs_no_registry(server: RegistryServer) -> None:
    """An outage in the middle stops nothing that was met before, in either direction."""
    codec = codec_for(server)
    codec.decode(TOPIC, framed())
    codec.encode(TOPIC, product())
    asked = len(server.requests)
    server.stop()
    for _ in range(100):
        assert codec.decode(TOPIC, *codec.encode(TOPIC, product())) == product()
    with pytest.raises(UnavailableError):
        codec.decode(TOPIC, framed(2))
    assert len(server.requests) == asked


def test_overload_is_tried_again_before_it_is_an_outage(server: RegistryServer) -> None:
    """Retries are bounded, and happen."""
    codec = codec_for(server, retries=2)
    server.fault = "429"
    with pytest.raises(UnavailableError, match="HTTP 429"):
        codec.decode(TOPIC, framed())
    assert len(server.requests) == 3


def test_an_unknown_id_is_poison_and_asked_for_once(server: RegistryServer) -> None:
    """A flood of one unknown id is one request; the id is named."""
    codec = codec_for(server)
    for _ in range(50):
        with pytest.raises(DecodeError, match="unknown schema id 77"):
            codec.decode(TOPIC, framed(77))
    assert len(server.requests) == 1


def test_an_unknown_guid_is_poison(server: RegistryServer) -> None:
    """As with ids."""
    with pytest.raises(DecodeError, match="unknown schema GUID 0707"):
        codec_for(server).decode(TOPIC, b"\1" + b"\7" * 16 + b"rest")


def test_a_schema_registered_later_is_found(server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is remembered for a while only: followers of a registry may know a new id late."""
    monkeypatch.setattr("consumer.stream.codec.REFUSAL_SECONDS", 0.0)
    codec, older = codec_for(server), without(product_schema(), "tier")
    with pytest.raises(DecodeError):
        codec.decode(TOPIC, framed(2, older))
    assert server.register("other", older) == 2
    assert codec.decode(TOPIC, framed(2, older))["tier"] == "STANDARD"


def test_a_schema_of_another_kind_is_poison(server: RegistryServer) -> None:
    """JSON Schema and Protobuf are not Avro."""
    number = server.register("other", {"type": "object"}, schemaType="JSON")
    with pytest.raises(DecodeError, match="is JSON, not AVRO"):
        codec_for(server).decode(TOPIC, framed(number))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json at all", "not valid Avro"),
        ('{"type": "record", "name": "R", "fields": 5}', "not valid Avro"),
        ('{"type": "record", "name": "R"}', "schema incompatible|not valid Avro"),
        ("[" * 200 + '"null"' + "]" * 200, "64 levels"),
        ("[" * 100_000 + "]" * 100_000, "not valid Avro"),
        ('"string"', "not a record"),
        ('["null", "string"]', "not a record"),
    ],
)
def test_a_schema_that_cannot_be_is_poison(server: RegistryServer, text: str, said: str) -> None:
    """What no reader could use condemns its records, and does not stop the topic."""
    server.memory.schemas.append({"schema": text})
    with pytest.raises(DecodeError, match=said):
        codec_for(server).decode(TOPIC, framed(len(server.memory.schemas)))


def test_references_are_followed(server: RegistryServer) -> None:
    """A schema may draw named types from other subjects, and they from others."""
    schema = product_schema()
    price = next(field for field in schema["fields"] if field["name"] == "price")
    inner = price["type"][1] | {"namespace": "skureel"}
    currency = {"type": "enum", "name": "Currency", "namespace": "skureel", "symbols": ["EUR", "CNY"]}
    whole = inner | {"fields": [inner["fields"][0], {"name": "currency", "type": "string"}]}
    server.register("currency", currency)
    to_currency = {"name": "skureel.Currency", "subject": "currency", "version": 1}
    with_unit = whole | {"fields": [*whole["fields"], {"name": "unit", "type": "skureel.Currency"}]}
    server.register("price", with_unit, references=[to_currency])
    price["type"] = ["null", "skureel.Price"]
    number = server.register(
        "product", schema, references=[{"name": "skureel.Price", "subject": "price", "version": 1}, to_currency]
    )
    standalone = product_schema()
    with_unit = with_unit | {"fields": [*whole["fields"], {"name": "unit", "type": currency}]}
    next(field for field in standalone["fields"] if field["name"] == "price")["type"] = ["null", with_unit]
    body = avro(standalone, product() | {"price": product()["price"] | {"unit": "CNY"}})
    assert codec_for(server).decode(TOPIC, b"\0" + number.to_bytes(4) + body) == product()


def test_references_are_bounded(server: RegistryServer) -> None:
    """A schema that refers to very many others is refused."""
    number = server.register("other", product_schema() | {"doc": "another"})
    server.memory.schemas[number - 1]["references"] = [
        {"name": f"n{index}", "subject": f"{TOPIC}-value", "version": 1} for index in range(60)
    ]
    with pytest.raises(DecodeError, match=r"more than 50|not valid Avro"):
        codec_for(server).decode(TOPIC, framed(number))


def test_a_schema_that_is_not_registered_stops_writing_with_advice() -> None:
    """Production registers by review: nothing is registered behind anyone's back, and nothing is lost."""
    with RegistryServer() as server:
        codec = codec_for(server)
        with pytest.raises(UnavailableError, match="product-created-value: register it"):
            codec.prepare([TOPIC])
        assert server.memory.subjects == {}


def test_auto_register_registers_once() -> None:
    """For development: the first write registers, the second asks nothing."""
    with RegistryServer() as server:
        codec = codec_for(server, auto_register=True)
        codec.encode(TOPIC, product())
        asked = len(server.requests)
        codec.encode(TOPIC, product())
        assert (list(server.memory.subjects), len(server.requests)) == ([f"{TOPIC}-value"], asked)


def test_a_registry_without_guids_cannot_frame_by_header() -> None:
    """The setting to change is named."""
    with RegistryServer(guids=False) as server:
        codec = codec_for(server, auto_register=True, framing="header")
        with pytest.raises(UnavailableError, match=r"registry\.framing to prefix"):
            codec.encode(TOPIC, product())


@pytest.mark.parametrize("where", ["options", "url"])
def test_credentials_open_the_registry_and_never_show(where: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in reprs, messages, tracebacks or logs, right or wrong, and neither from options nor from the URL."""
    caplog.set_level(logging.DEBUG)
    with RegistryServer(user="reader", password=SECRET) as server:
        server.register(f"{TOPIC}-value", product_schema())
        url = server.url.replace("://", f"://reader:{SECRET}@") if where == "url" else server.url
        given: dict[str, Any] = {} if where == "url" else {"username": "reader", "password": SECRET}
        options = RegistryOptions(url=url, timeout=0.3, retries=0, **given)
        codec = RegistryCodec(load(), options)
        assert codec.decode(TOPIC, framed()) == product()
        shown = [repr(options), repr(codec), str(options), options.address]
        server.authorization = "Basic changed"
        shown.append(refusal(codec, 5, "check registry.username"))
        server.fault = "html"
        shown.append(refusal(codec, 6, "JSON"))
        server.stop()
        shown.append(refusal(codec, 7, "Connect"))
    assert SECRET not in "\n".join([*shown, caplog.text])


def refusal(codec: RegistryCodec, number: int, said: str) -> str:
    """The whole traceback of an outage."""
    with pytest.raises(UnavailableError, match=said) as caught:
        codec.decode(TOPIC, framed(number))
    return "".join(traceback.format_exception(caught.value))


def test_closing_is_idempotent(server: RegistryServer) -> None:
    """Twice is as good as once."""
    codec = codec_for(server)
    codec.close()
    codec.close()


@pytest.mark.parametrize("url", ["", "registry:8081", "ftp://registry", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """At once, not at the first record."""
    with pytest.raises(ValueError, match="registry url"):
        RegistryCodec(load(), RegistryOptions(url=url))
