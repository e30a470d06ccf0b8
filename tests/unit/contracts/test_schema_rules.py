"""Rules every contract keeps, so that it can be read by anyone and changed without breaking them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import avro.schema
import pytest
from fastavro import parse_schema

from consumer.settings import Topics
from consumer.stream.schemas import schema_folder

FILES = sorted(schema_folder().glob("*.avsc"))
PUBLIC = {"product-created", "promo-changed", "video-ready", "video-rejected"}
"""Topics that other teams write or read; the clip-* topics are between our own roles."""

WITHOUT_DEFAULT = {
    "Mode": "a scene of an unknown mode cannot be rendered as another: better a dead letter than a wrong clip",
    "Position": "clip-* only: part of a recipe's digest, a silent replacement would name another clip",
}
"""Enums that have no default, and why."""

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def parts(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every schema inside a schema, with where it is."""
    yield path, schema
    if isinstance(schema, list):
        for branch in schema:
            yield from parts(branch, path)
    elif isinstance(schema, dict):
        for field in schema.get("fields", ()):
            yield from parts(field["type"], f"{path}.{field['name']}")
        for key in ("items", "values"):
            if key in schema:
                yield from parts(schema[key], f"{path}[]")


def fields(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of every record."""
    for path, part in parts(schema):
        if isinstance(part, dict):
            for field in part.get("fields", ()):
                yield f"{path}.{field['name']}", field


def read(path: Path) -> Any:
    """A schema as JSON."""
    return json.loads(path.read_bytes())


def test_there_is_a_schema_for_every_topic() -> None:
    """The default topic names are the schema files' names, the dead letter's apart."""
    assert {path.stem for path in FILES} == {*Topics().model_dump().values(), "dead-letter"}


@every_file
def test_both_libraries_parse_it(path: Path) -> None:
    """fastavro and Apache's library both take the schema."""
    assert parse_schema(read(path))
    assert avro.schema.parse(path.read_text()).type == "record"


@every_file
def test_every_record_and_field_says_what_it_is(path: Path) -> None:
    """Docs end as sentences do; an enum is explained by the field that has it."""
    schema = read(path)
    records = [part for _where, part in parts(schema) if isinstance(part, dict) and part["type"] == "record"]
    undocumented = [record["name"] for record in records if not record.get("doc", "").endswith(".")]
    undocumented += [where for where, field in fields(schema) if not field.get("doc", "").endswith(("…", "."))]
    assert undocumented == []


@every_file
def test_nullable_means_null_first_and_default_null(path: Path) -> None:
    """One way to say "may be missing"; no other unions."""
    for where, field in fields(read(path)):
        if isinstance(field["type"], list):
            assert field["type"][0] == "null", where
            assert len(field["type"]) == 2, where
            assert field.get("default", "none") is None, where
    unions = [where for where, part in parts(read(path)) if isinstance(part, list)]
    assert set(unions) <= {where for where, _field in fields(read(path))}


@every_file
def test_enums_can_grow(path: Path) -> None:
    """An enum has a default for symbols to come, or a reason for having none."""
    for where, part in parts(read(path)):
        if isinstance(part, dict) and part["type"] == "enum":
            name = part["name"]
            assert ("default" in part) != (name in WITHOUT_DEFAULT), f"{where}: {name}"
            assert part.get("default", part["symbols"][0]) in part["symbols"], where


def test_public_enums_all_have_defaults() -> None:
    """The exceptions are between our own roles only."""
    for path in FILES:
        if path.stem in PUBLIC:
            enums = {part["name"] for _where, part in parts(read(path)) if isinstance(part, dict) and "symbols" in part}
            assert not enums & set(WITHOUT_DEFAULT), path.stem


@every_file
def test_money_and_time_have_exact_types(path: Path) -> None:
    """Amounts are decimals; whatever ends in _at, or says when, is a timestamp in milliseconds."""
    for where, field in fields(read(path)):
        kind = field["type"][1] if isinstance(field["type"], list) else field["type"]
        logical = kind.get("logicalType") if isinstance(kind, dict) else None
        if field["name"].endswith("_at") or field["name"] in {"valid_from", "valid_until", "timestamp"}:
            assert logical == "timestamp-millis", where
        if field["name"] in {"amount", "price"} and logical is None:
            assert isinstance(kind, dict), where
            assert kind["type"] == "record", where


@every_file
def test_everything_lives_in_one_namespace(path: Path) -> None:
    """``skureel.Name``: names are unique inside a schema, and say nothing of who runs it."""
    schema = read(path)
    assert schema["namespace"] == "skureel"
    named = [part["name"] for _where, part in parts(schema) if isinstance(part, dict) and "name" in part]
    assert len(named) == len(set(named))


def test_the_three_request_topics_carry_one_record() -> None:
    """A request means the same in each lane; only the schemas' docs differ."""

    def bare(schema: Any) -> Any:
        if isinstance(schema, list):
            return [bare(part) for part in schema]
        if isinstance(schema, dict):
            return {key: bare(part) for key, part in schema.items() if key != "doc"}
        return schema

    lanes = [bare(read(path)) for path in FILES if path.stem in {"clip-render", "clip-render-bulk", "clip-dress"}]
    assert len(lanes) == 3
    assert lanes[0] == lanes[1] == lanes[2]
