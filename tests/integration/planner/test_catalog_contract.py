"""One contract over both databases: opening, migrating, transactions, and outages told from faults."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, inspect, make_url
from sqlalchemy.exc import DBAPIError

from consumer.planner import catalog as module
from consumer.planner.catalog import ATTEMPTS, Catalog
from consumer.planner.errors import CatalogError
from consumer.planner.ledger import Ledger
from consumer.planner.spans import Cursor, Spans, walk
from consumer.planner.tables import BatchRow, ClipRow, PlanRow, ProductRow, Retirement, metadata
from consumer.stream.types import UnavailableError
from tests.services.addresses import PostgresAddress
from tests.services.postgres import Postgres

TAGS = '["\\u0000"]'


def product_row(product_id: str = "a", revision: int = 1) -> ProductRow:
    """A row; texts as awkward as they may be."""
    return ProductRow(product_id, revision, False, "家居 'x' %s", "HOT", "zh-CN", TAGS, b"\0\xff", 1, 2, 3, 4)


def plan_row(product_id: str = "a", revision: int = 1, batch: str = "b1", variant: str = "default") -> PlanRow:
    """A row."""
    return PlanRow(product_id, variant, revision, "RETIRE", None, None, None, "t", b"\0r", b"[]", batch, 5)


def save(*rows: ProductRow | PlanRow) -> Callable[[Ledger], None]:
    """A transaction that keeps rows."""

    def work(ledger: Ledger) -> None:
        ledger.save_products([row for row in rows if isinstance(row, ProductRow)])
        ledger.save_plans([row for row in rows if isinstance(row, PlanRow)])

    return work


def test_migrations_and_tables_say_the_same(catalog: Catalog) -> None:
    """What the migrations make is what the code reads and writes: names, types, nullability, keys."""
    seen = inspect(catalog.engine)
    assert set(seen.get_table_names()) == {*metadata.tables, "alembic_version"}
    for table in metadata.sorted_tables:
        columns = {c["name"]: c for c in seen.get_columns(table.name)}
        assert list(columns) == [c.name for c in table.columns]
        for column in table.columns:
            made = columns[column.name]
            assert made["nullable"] == column.nullable, column
            assert made["type"].python_type is column.type.python_type, column
        assert seen.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
        assert {i["name"] for i in seen.get_indexes(table.name)} == {i.name for i in table.indexes}
        assert len(seen.get_foreign_keys(table.name)) == len(table.foreign_keys)


def test_opening_again_changes_nothing(url: str) -> None:
    """A second start finds its data."""
    first = Catalog.open(url)
    first.transaction(save(product_row()))
    first.close()
    second = Catalog.open(url)
    assert second.transaction(lambda ledger: ledger.known(["a"], "default"))["a"].revision == 1
    second.close()
    second.close()


def test_planners_may_start_at_once(url: str) -> None:
    """Eight planners on an empty database: the migrations run once, and all eight work."""
    barrier = threading.Barrier(8)

    def start(number: int) -> int:
        barrier.wait()
        opened = Catalog.open(url)
        opened.transaction(save(product_row(f"p{number}")))
        opened.close()
        return number

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(start, range(8))) == list(range(8))
    opened = Catalog.open(url)
    assert len(opened.transaction(lambda ledger: ledger.known([f"p{n}" for n in range(8)], "default"))) == 8
    opened.close()


def test_a_newer_database_is_refused(url: str) -> None:
    """A release that does not know the tables must not write them; the error says what to do."""
    opened = Catalog.open(url)
    with opened.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    opened.close()
    with pytest.raises(CatalogError, match=r"at version 9999, which this release does not know .* newer release"):
        Catalog.open(url)


def test_what_is_saved_is_known(catalog: Catalog) -> None:
    """Rows come back as they were, in whatever characters; a second save replaces the first."""
    catalog.transaction(save(product_row(), product_row("b"), plan_row()))
    known = catalog.transaction(lambda ledger: ledger.known(["a", "b", "nobody"], "default"))
    assert known["a"] == (1, False, 1, 2, 3, 1, "RETIRE", None, None, None, "b1", False, TAGS, 1)
    assert known["b"] == (1, False, 1, 2, 3, 0, None, None, None, None, None, False, TAGS, 1)
    assert set(known) == {"a", "b"}
    catalog.transaction(save(product_row(revision=7), plan_row(revision=2, batch="b2")))
    assert catalog.transaction(lambda ledger: ledger.known(["a"], "default"))["a"].plan_revision == 2
    assert catalog.transaction(lambda ledger: ledger.known(["a"], "square"))["a"].plan_revision == 0
    assert catalog.transaction(lambda ledger: ledger.known([], "default")) == {}


def test_thousands_at_once(catalog: Catalog) -> None:
    """A batch is larger than any limit on a statement's variables."""
    ids = [f"sku-{n}" for n in range(5_000)]
    catalog.transaction(save(*(product_row(i) for i in ids), *(plan_row(i) for i in ids)))

    def move(ledger: Ledger) -> int:
        ledger.move_plans(ids[:3_000], "default", "other")
        return len(ledger.requests(ids, {"other"}))

    assert catalog.transaction(move) == 3_000


def test_retiring_keeps_the_rest_of_the_row(catalog: Catalog) -> None:
    """A tombstone has no description; the last one stays, with its revision."""
    catalog.transaction(save(product_row(revision=4)))
    catalog.transaction(lambda ledger: ledger.retire([Retirement("a", 7, 8, 9, 10), Retirement("nobody", 1, 1, 1, 1)]))
    assert catalog.transaction(lambda ledger: ledger.known(["a"], "default"))["a"][:5] == (4, True, 7, 8, 9)
    catalog.transaction(lambda ledger: ledger.retire([]))


def test_batches_go_from_planned_to_requested_to_forgotten(catalog: Catalog) -> None:
    """Planned batches are found with their partitions and products; requested ones are kept until pruned."""

    def add(ledger: Ledger) -> None:
        ledger.add_batch(BatchRow("b1", "me", '[["t", 0], ["t", 3]]', '["a"]', "planned", 100))
        ledger.add_batch(BatchRow("b2", "me", "[]", "[]", "planned", 50))

    catalog.transaction(add)
    planned = catalog.transaction(Ledger.planned)
    assert [batch.id for batch in planned] == ["b2", "b1"]
    assert planned[1].partitions == {("t", 0), ("t", 3)}
    assert planned[1].product_ids == ("a",)
    catalog.transaction(lambda ledger: ledger.requested(["b1", "nobody"]))
    catalog.transaction(lambda ledger: ledger.requested([]))
    assert catalog.transaction(Ledger.planned_ids) == {"b2"}
    catalog.transaction(lambda ledger: ledger.prune(101))
    with catalog.engine.begin() as connection:
        assert [tuple(row) for row in connection.exec_driver_sql("SELECT id FROM batches")] == [("b2",)]


def test_clips_are_known_by_product_and_variant(catalog: Catalog) -> None:
    """The revision of each."""
    rows = [ClipRow("a", "x", 3, "READY", "c", None, 1), ClipRow("a", "y", 4, "REJECTED", None, "d", 1)]
    catalog.transaction(lambda ledger: ledger.save_clips(rows))
    assert catalog.transaction(lambda ledger: ledger.clip_revisions(["a", "b"])) == {("a", "x"): 3, ("a", "y"): 4}


def test_a_plan_needs_its_product(catalog: Catalog) -> None:
    """Foreign keys are kept on both databases: a fault of ours shows, and is no outage."""
    with pytest.raises(CatalogError, match=r"(?i)foreign key"):
        catalog.transaction(save(plan_row("nobody")))


def test_a_transaction_that_raises_leaves_nothing(catalog: Catalog) -> None:
    """All of it or none of it, whatever the exception."""

    def work(ledger: Ledger) -> None:
        ledger.save_products([product_row()])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        catalog.transaction(work)
    assert catalog.transaction(lambda ledger: ledger.known(["a"], "default")) == {}


def test_a_lost_race_is_run_again(postgres_catalog: Catalog) -> None:
    """A transaction whose snapshot was overtaken starts over and decides anew."""
    postgres_catalog.transaction(save(product_row()))
    runs: list[int] = []

    def work(ledger: Ledger) -> None:
        runs.append(ledger.known(["a"], "default")["a"].revision)
        if len(runs) == 1:
            postgres_catalog.transaction(save(product_row(revision=5)))
        ledger.save_products([product_row(revision=runs[-1] + 1)])

    postgres_catalog.transaction(work)
    assert runs == [1, 5]
    assert postgres_catalog.transaction(lambda ledger: ledger.known(["a"], "default"))["a"].revision == 6


def test_races_are_not_lost_for_ever(postgres_catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many attempts it counts as an outage, which the loop waits out."""
    monkeypatch.setattr(module, "PAUSE", 0.0)
    postgres_catalog.transaction(save(product_row()))
    runs: list[int] = []

    def work(ledger: Ledger) -> None:
        ledger.known(["a"], "default")
        runs.append(1)
        postgres_catalog.transaction(save(product_row(revision=len(runs) + 1)))
        ledger.save_products([product_row(revision=1)])

    with pytest.raises(UnavailableError, match=f"{ATTEMPTS} attempts lost"):
        postgres_catalog.transaction(work)
    assert len(runs) == ATTEMPTS


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("", "not a URL"),
        ("not a url", "not a URL"),
        ("nonsense://user:hunter2@h/d", "no driver for 'nonsense'"),
        ("mysql://user:hunter2@h/d", "(no driver for|not supported)"),
        ("postgresql+pg8000://user:hunter2@h/d", "(no driver for|not supported)"),
        ("postgresql+asyncpg://user:hunter2@h/d", "not supported"),
    ],
)
def test_a_url_that_cannot_work_is_refused_without_repeating_it(bad: str, message: str) -> None:
    """The error says what to give, and no password."""
    with pytest.raises(CatalogError, match=message) as caught:
        Catalog.open(bad)
    assert "hunter2" not in str(caught.value)
    assert "postgresql+psycopg://" in str(caught.value)


# Outages: nothing is wrong with what was asked, so the same is worth trying again.


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file for SQLite."""
    return tmp_path / "catalog.db"


def test_a_locked_file_is_an_outage(file: Path) -> None:
    """Another program that holds the file makes the planner wait, not fail."""
    opened = Catalog.open(f"sqlite:///{file}", timeout=0.05)
    with sqlite3.connect(file) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="database: database is locked"):
            opened.transaction(save(product_row()))
        other.rollback()
    other.close()
    opened.transaction(save(product_row()))
    opened.close()


def test_a_full_disk_is_an_outage(file: Path) -> None:
    """Once there is room again, the same works."""
    opened = Catalog.open(f"sqlite:///{file}")
    with opened.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    big = product_row()._replace(payload=b"x" * 500_000)
    with pytest.raises(UnavailableError, match="database or disk is full"):
        opened.transaction(save(big))
    with opened.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    opened.transaction(save(big))
    opened.close()


def test_a_folder_that_cannot_be_made_is_an_outage(tmp_path: Path) -> None:
    """A missing mount, say."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UnavailableError, match="database: "):
        Catalog.open(f"sqlite:///{tmp_path}/taken/catalog.db")


def test_a_file_that_is_no_database_is_a_fault(file: Path) -> None:
    """Waiting would not make it one."""
    file.write_bytes(b"something else entirely" * 100)
    with pytest.raises(CatalogError, match="file is not a database"):
        Catalog.open(f"sqlite:///{file}")


def test_a_server_that_is_not_there_is_an_outage_without_secrets() -> None:
    """Connection refused, with the reason and no password."""
    with pytest.raises(UnavailableError, match=r"database: .*refused") as caught:
        Catalog.open("postgresql+psycopg://someone:hunter2@127.0.0.1:1/db", timeout=2)
    assert "hunter2" not in str(caught.value)


def test_a_wrong_password_is_told_without_it(postgres: PostgresAddress) -> None:
    """An operator may put it right while the planner waits."""
    url = make_url(postgres.dsn()).set(password="hunter2")
    with pytest.raises(UnavailableError, match="password authentication failed") as caught:
        Catalog.open(url.render_as_string(hide_password=False))
    assert "hunter2" not in str(caught.value)


def test_a_server_that_dies_and_returns(own_postgres: Postgres) -> None:
    """Transactions fail as an outage while it is away, and work again afterwards with the same catalog."""
    opened = Catalog.open(own_postgres.fresh_database(), timeout=5)
    opened.transaction(save(product_row()))
    own_postgres.kill()
    with pytest.raises(UnavailableError, match="database: "):
        opened.transaction(Ledger.planned_ids)
    own_postgres.start()
    assert "a" in retried(opened)
    opened.close()


def retried(opened: Catalog) -> set[str]:
    """What is known, by the second attempt at the latest: a pool may hold one connection to the server that was."""
    for _ in range(2):
        try:
            return set(opened.transaction(lambda ledger: ledger.known(["a"], "default")))
        except UnavailableError:
            continue
    pytest.fail("still out")


def test_a_frozen_server_is_an_outage(own_postgres: Postgres) -> None:
    """A server that neither answers nor hangs up is given up after a bounded time."""
    opened = Catalog.open(own_postgres.fresh_database(), timeout=0.3)
    opened.transaction(save(product_row()))
    own_postgres.pause()
    try:
        with pytest.raises(UnavailableError, match="database: "):
            opened.transaction(Ledger.planned_ids)
    finally:
        own_postgres.resume()
    assert "a" in retried(opened)
    opened.close()


def test_a_slow_statement_and_a_held_lock_are_outages(database_url: str) -> None:
    """The server ends what takes longer than the timeout."""
    opened = Catalog.open(database_url, timeout=0.2)
    with opened.engine.connect() as other, other.begin():
        other.exec_driver_sql("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(UnavailableError, match="timeout"):
            opened.transaction(save(product_row()))
    opened.close()


def test_a_read_only_server_is_an_outage(database_url: str) -> None:
    """A primary that was demoted refuses writes; the next connection may find the new one."""
    opened = Catalog.open(database_url)
    with opened.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
            f"ALTER DATABASE {make_url(database_url).database} SET default_transaction_read_only = on"
        )
    opened.engine.dispose()
    with pytest.raises(UnavailableError, match="read-only"):
        opened.transaction(save(product_row()))
    opened.close()


def test_a_nul_in_a_text_is_our_fault_and_no_outage(postgres_catalog: Catalog) -> None:
    """It must never be retried for ever; whoever writes rows keeps NULs out."""
    with pytest.raises(CatalogError):
        postgres_catalog.transaction(save(product_row()._replace(category="a\0")))
    assert not issubclass(CatalogError, (UnavailableError, DBAPIError))


@pytest.mark.parametrize(
    ("spans", "index"),
    [
        (Spans(all=True), "products_by_tier"),
        (Spans(categories=("home",)), "products_by_category"),
        (Spans(tags=("x",)), "product_tags"),
    ],
    ids=["everything", "a category", "a tag"],
)
def test_a_page_of_a_fan_out_is_a_range_of_an_index(catalog: Catalog, spans: Spans, index: str) -> None:
    """One range of one index and no sorting, so that a page takes as long at the end of a million products as at the
    beginning, however rare they are.
    """
    asked: list[tuple[str, Any]] = []
    event.listen(catalog.engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    catalog.transaction(lambda ledger: walk(spans, Cursor(1, 0, "p"), 10, ledger.book.keys(spans)))
    statement, parameters = next((text, given) for text, given in asked if "LIMIT" in text)
    with catalog.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        else:
            # An empty table is read whole, whatever there is to read it by.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
            rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        plan = "\n".join(str(tuple(row)) for row in rows)
    assert index in plan
    assert "SEARCH" in plan or "Index Cond" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan
