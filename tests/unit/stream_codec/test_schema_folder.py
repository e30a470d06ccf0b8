"""Loading contracts: by topic, by renamed topic, from any folder, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from consumer.stream import schemas as module
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.schemas import SchemaError, load, schema_folder
from tests.unit.stream_codec.samples import product


def write(folder: Path, name: str, schema: Any) -> None:
    """A schema file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.avsc").write_text(schema if isinstance(schema, str) else json.dumps(schema))


def record(kind: Any) -> dict[str, Any]:
    """A record of one field."""
    return {"type": "record", "name": "R", "fields": [{"name": "v", "type": kind}]}


def test_every_file_is_a_topic() -> None:
    """Without names given, a file's stem is its topic."""
    assert set(load().topics) == {path.stem for path in schema_folder().glob("*.avsc")}


def test_topics_may_have_other_names() -> None:
    """Configuration renames topics; their contract stays, and errors speak of the real name."""
    codec = SingleObjectCodec(load(topics={"acme.products": "product-created"}))
    assert codec.decode("acme.products", *codec.encode("acme.products", product())) == product()
    assert codec.schemas.of("acme.products").name == "product-created"
    with pytest.raises(SchemaError, match=r"there are acme\.products"):
        codec.schemas.of("product-created")


def test_an_installed_wheel_has_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a wheel the contracts lie beside the code; a folder of that name elsewhere does not matter."""
    package = tmp_path / "site-packages" / "consumer"
    write(package / "_schemas", "inside", record("long"))
    monkeypatch.setattr(module, "__file__", str(package / "stream" / "schemas.py"))
    assert schema_folder() == package / "_schemas"
    assert load().topics == ("inside",)


def test_the_registry_gets_the_schema_as_written() -> None:
    """Compact, docs and defaults included."""
    schema = load().of("product-created")
    assert json.loads(schema.text) == json.loads((schema_folder() / "product-created.avsc").read_bytes())
    assert "\n" not in schema.text
    assert schema.text not in repr(schema)


def test_earlier_releases_are_found_by_fingerprint(tmp_path: Path) -> None:
    """A schema in the history can be read without a registry."""
    write(tmp_path, "t", record("long"))
    write(tmp_path / "history" / "0.0.1", "t", record("int"))
    early = module.crc64(module._parse(tmp_path / "history" / "0.0.1" / "t.avsc"))
    loaded = load(tmp_path)
    assert loaded.writer(early) is not None
    assert loaded.writer(loaded.of("t").fingerprint) is not None
    assert loaded.writer(b"12345678") is None
    assert SingleObjectCodec(loaded).decode("t", b"\xc3\x01" + early + b"\x0e") == {"v": 7}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("{", "not an Avro schema"),
        ({"type": "record"}, "not an Avro schema"),
        (record("nonsense"), "not an Avro schema"),
        ("[]", "must be a record"),
        ('"string"', "must be a record"),
        (record({"type": "long", "logicalType": "timestamp-micros"}), "logical type 'timestamp-micros'"),
        (record(["null", "long", "string"]), "a union of 3 types"),
        (record({"type": "array", "items": ["long", "string"]}), "a union of 2 types"),
    ],
)
def test_what_is_no_contract_of_ours_is_refused(tmp_path: Path, schema: Any, said: str) -> None:
    """With the file's name."""
    write(tmp_path, "wrong", schema)
    with pytest.raises(SchemaError, match=said) as caught:
        load(tmp_path)
    assert "wrong.avsc" in str(caught.value)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """Rather than a service without contracts."""
    with pytest.raises(SchemaError, match=r"no \.avsc files"):
        load(tmp_path)


def test_a_topic_without_its_file_is_refused() -> None:
    """A misspelt name is found at start."""
    with pytest.raises(SchemaError, match=r"no parcels\.avsc"):
        load(topics={"t": "parcels"})
