"""Laws of clip requests across releases."""

from __future__ import annotations

import io
import json

import pytest
from fastavro import parse_schema, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

from consumer.events import ClipRequest
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from tests.unit.renderer.conftest import request

TOPICS = ("clip-render", "clip-render-bulk", "clip-dress")


@pytest.mark.parametrize("topic", TOPICS)
def test_requests_of_the_first_release_are_read_without_captions(topic: str) -> None:
    """What waits in the log over an upgrade is still worked; a stand-in then draws the prompt's own words."""
    path = schemas.schema_folder() / schemas.HISTORY / "0.1.0" / f"{topic}.avsc"
    schema = parse_schema(json.loads(path.read_bytes()))
    was = request(captions=())
    body = io.BytesIO()
    schemaless_writer(body, schema, {name: value for name, value in was.to_avro().items() if name != "captions"})
    mark = bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))
    codec = SingleObjectCodec(schemas.load())
    assert ClipRequest.from_avro(codec.decode(topic, b"\xc3\x01" + mark + body.getvalue())) == was
