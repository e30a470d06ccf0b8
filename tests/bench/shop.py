"""A full catalog without its history: products, plans and what is made of them, copied straight into PostgreSQL.

Every row is what the planner itself would have written for the product of that number, but for the stored request, of
which no bench reads more than its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import psycopg
from sqlalchemy import Table, make_url

from consumer.events import Product
from consumer.observe import logs
from consumer.planner import payload
from consumer.planner.catalog import Catalog
from consumer.planner.drafts import Drafter
from consumer.planner.promotions import Running
from consumer.planner.prompts import Prompts
from consumer.planner.spans import tier_rank
from consumer.planner.tables import (
    BaseRow,
    ClipRow,
    PlanRow,
    ProductRow,
    bases,
    clips,
    member_key,
    plans,
    products,
)
from tests.bench.events import product
from tests.bench.planner import planning

CHUNK = 5_000
"""Products copied in one statement a table."""
PROCESSES = 2
THEN = 1_700_000_000_000
"""When all of it was written, milliseconds since 1970."""


def fill(url: str, count: int) -> None:
    """Make the tables and fill them with ``count`` products whose clips are made and announced."""
    Catalog.open(url, timeout=60).close()
    share = -(-count // PROCESSES)
    ranges = [(start, min(count, start + share)) for start in range(0, count, share)]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        list(pool.map(_fill, [url] * len(ranges), ranges))
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _fill(url: str, numbers: tuple[int, int]) -> None:
    logs.configure(log_format="console", level="error", role="bench", instance="bench")
    drafter = Drafter(Prompts.load(), planning())
    with psycopg.connect(_plain(url)) as connection:
        for start in range(numbers[0], numbers[1], CHUNK):
            rows = [_rows(drafter, number) for number in range(start, min(numbers[1], start + CHUNK))]
            for table, column in zip((products, plans, clips, bases), zip(*rows, strict=True), strict=True):
                _copy(connection, table, iter(column))
            connection.commit()


def _copy(connection: psycopg.Connection[Any], table: Table, rows: Iterator[tuple[Any, ...]]) -> None:
    names = ", ".join(column.name for column in table.columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _rows(drafter: Drafter, number: int) -> tuple[ProductRow, PlanRow, ClipRow, BaseRow]:
    """Everything that the catalog knows of product ``number``."""
    value = product(number)
    item = Product.from_avro(value)
    draft = drafter.draft(item, Running())
    variant, (base, body, clip) = drafter.planning.variant, draft.digests
    return (
        ProductRow(
            item.product_id,
            item.revision,
            False,
            item.category,
            item.tier.value,
            item.locale,
            payload.tags(item.tags),
            payload.dump(value),
            0,
            number,
            THEN,
            THEN,
            member_key(item.category),
            tier_rank(item.tier),
        ),
        PlanRow(item.product_id, variant, 1, "RENDER", base, body, clip, "clip-render", b"", b"[]", "before", THEN),
        ClipRow(item.product_id, variant, 1, "READY", clip, clip, THEN, body),
        BaseRow(item.product_id, variant, base),
    )
