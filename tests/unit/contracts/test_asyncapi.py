"""The AsyncAPI document and the page for other teams say what the code does: topics, keys, headers, payloads."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from consumer.settings import Topics
from consumer.stream.codec import VALUE_SCHEMA_ID, SingleObjectCodec
from consumer.stream.deadletter import FAMILY, dead_letter, dead_letter_topic
from consumer.stream.headers import Trace, outgoing
from consumer.stream.schemas import load, schema_folder
from consumer.stream.types import Record
from tests.unit.stream_codec.samples import PRODUCT, TOPIC

FOLDER = schema_folder()
DOCUMENT: dict[str, Any] = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text())
README = (FOLDER / "README.md").read_text()
CHANNELS: dict[str, Any] = DOCUMENT["channels"]
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
TOPICS = set(Topics().model_dump().values())
KEYS = {"promo-changed": "promo_id"}


def resolved(reference: str) -> Any:
    """What a reference inside the document leads to."""
    part: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        part = part[step]
    return resolved(part["$ref"]) if "$ref" in part else part


def references(part: Any) -> list[str]:
    """Every reference in the document."""
    if isinstance(part, list):
        return [found for item in part for found in references(item)]
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [found for item in part.values() for found in references(item)]
    return []


def event_channels() -> dict[str, Any]:
    """The channels of events, by topic."""
    return {channel["address"]: channel for channel in CHANNELS.values() if "{" not in channel["address"]}


def test_it_is_asyncapi_3() -> None:
    """The version that tools look for first."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["license"]["name"] == "Apache-2.0"


def test_every_reference_leads_somewhere() -> None:
    """Inside the document, or to a schema file beside it."""
    for reference in references(DOCUMENT):
        if reference.startswith("#/"):
            assert resolved(reference), reference
        else:
            assert (FOLDER / reference).is_file(), reference


def test_the_channels_are_the_topics() -> None:
    """As the settings name them, and the dead letters'."""
    assert set(event_channels()) == TOPICS
    (pattern,) = {channel["address"] for channel in CHANNELS.values()} - TOPICS
    assert pattern.format(topic="t", group="g") == dead_letter_topic("t", "g")


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_a_topics_payload_and_key_are_its_schemas(topic: str) -> None:
    """The payload is the topic's file, its record has the name given, and the key is one of its fields."""
    channel = event_channels()[topic]
    message = resolved(next(iter(channel["messages"].values()))["$ref"])
    schema = json.loads((FOLDER / f"{topic}.avsc").read_bytes())
    key = KEYS.get(topic, "product_id")
    assert message["payload"]["schema"]["$ref"] == f"./{topic}.avsc"
    assert message["payload"]["schemaFormat"].startswith("application/vnd.apache.avro")
    assert message["name"] == schema["name"]
    assert message["contentType"] == "application/avro"
    assert message["bindings"]["kafka"]["key"]["description"].startswith(key)
    assert key in {field["name"] for field in schema["fields"]}
    assert channel["bindings"]["kafka"]["topic"] == topic
    assert message["headers"]["allOf"][1]["properties"]["ce_type"]["const"] == f"skureel.{topic}"


def test_only_products_have_tombstones() -> None:
    """A null value means something on one topic."""
    assert [topic for topic, channel in event_channels().items() if "productRetired" in channel["messages"]] == [TOPIC]
    assert MESSAGES["productRetired"]["payload"] == {"type": "null"}


def test_every_channel_has_operations() -> None:
    """Each topic is sent or received, in both ways where our roles speak to each other."""
    actions: dict[str, set[str]] = {}
    for operation in DOCUMENT["operations"].values():
        address = resolved(operation["channel"]["$ref"])["address"]
        actions.setdefault(address, set()).add(operation["action"])
        assert operation["messages"]
    ways = {"product-created": {"receive"}, "promo-changed": {"receive"}, "{topic}.{group}.dlq": {"send"}}
    assert actions == {topic: {"send", "receive"} for topic in TOPICS} | ways


def test_the_event_headers_are_those_we_write() -> None:
    """Names, constants and which are always there."""
    headers = DOCUMENT["components"]["schemas"]["eventHeaders"]
    _value, framing = SingleObjectCodec(load()).encode(TOPIC, PRODUCT)
    facts: dict[str, Any] = {"ce_id": "i", "ce_type": "t", "source": "s", "time": datetime(2026, 1, 31, tzinfo=UTC)}
    always = [name for name, _content in outgoing(framing, **facts)]
    with_state = outgoing(framing, **facts, parent=Trace("a" * 32, "b" * 16, state="v=1"))
    assert headers["required"] == always
    assert set(headers["properties"]) == {name for name, _content in with_state} | {VALUE_SCHEMA_ID}
    for name, content in outgoing(framing, **facts):
        constant = headers["properties"][name].get("const")
        assert constant is None or constant.encode() == content


def test_a_tombstone_has_no_content_type() -> None:
    """What has no content has no type of it."""
    headers = DOCUMENT["components"]["schemas"]["tombstoneHeaders"]
    facts: dict[str, Any] = {"ce_id": "i", "ce_type": "t", "source": "s", "time": datetime(2026, 1, 31, tzinfo=UTC)}
    assert set(headers["properties"]) == {name for name, _content in outgoing((), **facts)}


def test_the_dead_letter_headers_are_those_we_write() -> None:
    """In the document, in the page for other teams, and in the code."""
    record = Record(TOPIC, 0, 5, b"k", b"v", [], 1_000)
    written = [name for name, _ in dead_letter(record, group="g", stage="decode", error="e").headers]
    headers = DOCUMENT["components"]["schemas"]["deadLetterHeaders"]
    assert headers["required"] == written == list(headers["properties"])
    section = README.split("## Dead letters")[1]
    assert set(re.findall(r"`(?:__dlq\.errors)?(\.[a-z.]+)`", section)) == {
        f".{name.removeprefix(FAMILY)}" for name in written
    }


def test_the_page_names_every_topic_and_its_key() -> None:
    """The table at the top."""
    for topic in TOPICS:
        row = next(line for line in README.splitlines() if line.startswith("|") and f"`{topic}`" in line)
        assert f"`{KEYS.get(topic, 'product_id')}`" in row


def test_the_pages_example_reads_what_we_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python example runs as it stands, on an event that the codec wrote."""
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(FOLDER.parent)
    scope: dict[str, Any] = {}
    exec(compile(example.replace("video-ready", TOPIC), "README.md", "exec"), scope)  # noqa: S102 - our own page
    value, _headers = SingleObjectCodec(load()).encode(TOPIC, PRODUCT)
    assert scope["decode"](value) == PRODUCT
    with pytest.raises(ValueError, match="another schema"):
        scope["decode"](b"\xc3\x01" + bytes(8))
