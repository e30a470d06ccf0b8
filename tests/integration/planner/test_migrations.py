"""A catalog of the first release, brought up to date: what was in it is there, and can be found by a fan-out."""

from __future__ import annotations

import json

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import make_url, text

from consumer.planner import schema
from consumer.planner.catalog import Catalog
from consumer.planner.dialects import DIALECTS
from consumer.planner.errors import CatalogError
from consumer.planner.made import NOTHING_MADE
from consumer.planner.spans import Cursor, Spans, walk
from consumer.planner.tables import KEY_BYTES, member_key

LONG = "长" * KEY_BYTES
PRODUCTS = {
    "a": ("home", "HOT", ["x", "x", LONG], False),
    "b": (LONG, "LONG_TAIL", [], False),
    "c": ("home", "STANDARD", ["x"], True),
    "d": ("home", "NEVER_HEARD", ["a\0"], False),
}


def first_release(url: str) -> None:
    """Make the database of the first release, with products, plans and clips."""
    parsed = make_url(url)
    dialect = DIALECTS[parsed.get_backend_name()]
    engine = dialect.connect(parsed, 10.0)
    config = Config()
    config.set_main_option("script_location", str(schema.FOLDER))
    config.set_main_option("path_separator", "os")
    with dialect.migration(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for name, (category, tier, tags, retired) in PRODUCTS.items():
            connection.execute(
                text("INSERT INTO products VALUES (:id, 1, :retired, :category, :tier, 'en', :tags, :p, 0, 0, 0, 0)"),
                {
                    "id": name,
                    "retired": retired,
                    "category": category,
                    "tier": tier,
                    "tags": json.dumps(tags),
                    "p": b"",
                },
            )
            connection.execute(
                text("INSERT INTO plans VALUES (:id, 'default', 1, 'X', :base, :body, :clip, 't', :raw, :raw, '', 0)"),
                {"id": name, "base": f"{name}-base", "body": f"{name}-body", "clip": f"{name}-clip", "raw": b"[]"},
            )
        for name, status, digest in (("a", "READY", "a-clip"), ("b", "READY", "older"), ("d", "REJECTED", "d-clip")):
            connection.execute(
                text("INSERT INTO clips VALUES (:id, 'default', 1, :status, NULL, :digest, 0)"),
                {"id": name, "status": status, "digest": digest},
            )
    engine.dispose()


def found(catalog: Catalog, spans: Spans) -> list[str]:
    """The products that a fan-out over ``spans`` would meet."""
    return catalog.transaction(lambda ledger: walk(spans, Cursor(), 100, ledger.book.keys(spans))[0])


def test_what_the_first_release_kept_is_found(url: str) -> None:
    """By category, by tag and by tier, retired products excepted; what was announced counts as made."""
    first_release(url)
    catalog = Catalog.open(url)
    try:
        assert found(catalog, Spans(all=True)) == ["a", "d", "b"]
        assert found(catalog, Spans(categories=("home",))) == ["a", "d"]
        assert found(catalog, Spans(categories=(member_key(LONG),))) == ["b"]
        assert found(catalog, Spans(tags=("x",))) == ["a"]
        assert found(catalog, Spans(tags=(member_key(LONG),))) == ["a"]
        assert found(catalog, Spans(tags=("a\ufffd",))) == ["d"]
        made = catalog.transaction(lambda ledger: ledger.made(list(PRODUCTS), "default"))
        assert (made["a"].bases, made["a"].body) == (frozenset({"a-base"}), "a-body")
        assert made.get("b", NOTHING_MADE) == NOTHING_MADE
        assert "d" not in made
        assert catalog.transaction(lambda ledger: ledger.book.enter()) == 0
    finally:
        catalog.close()


def test_who_only_looks_migrates_nothing(url: str) -> None:
    """Commands beside a running planner of another release change nothing under it, and say what to do."""
    with pytest.raises(CatalogError, match=r"without our tables, and this release works with 0003: start"):
        Catalog.open(url, migrate=False)
    first_release(url)
    with pytest.raises(CatalogError, match=r"at version 0001, and this release works with 0003"):
        Catalog.open(url, migrate=False)
    Catalog.open(url).close()
    Catalog.open(url, migrate=False).close()
