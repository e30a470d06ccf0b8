"""What the planner keeps and sends as bytes comes back as it was."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.events import EventError, Price, Product
from consumer.planner import payload
from consumer.planner.ledger import Request
from consumer.planner.outbox import pack, request_id, stored, unpack
from consumer.planner.tables import milliseconds, storable
from consumer.stream.types import Output
from tests.unit.planner.samples import NOW, ids, product, products, texts

header_lists = st.lists(st.tuples(texts, st.none() | st.binary(max_size=20)))


@given(products)
def test_a_kept_product_can_be_planned_from_again(item: Product) -> None:
    """Every field survives, exact prices and instants among them, whatever characters the texts hold."""
    assert payload.load(payload.dump(item.to_avro())) == item


def test_kept_products_are_json_without_nul() -> None:
    """People read the catalog with SQL; a NUL inside a text is escaped."""
    kept = payload.dump(product(name="a\0b 电").to_avro())
    assert b"\0" not in kept
    assert json.loads(kept)["name"] == "a\0b 电"


def test_exact_amounts_stay_exact() -> None:
    """A price is never a float."""
    item = product(price=Price(amount=Decimal("12345678901234.5678"), currency="EUR"))
    assert payload.load(payload.dump(item.to_avro())).price == item.price


def test_a_kept_product_is_checked_when_read() -> None:
    """What was kept under older rules is judged by today's."""
    broken = json.loads(payload.dump(product().to_avro())) | {"name": " "}
    with pytest.raises(EventError, match="name"):
        payload.load(json.dumps(broken).encode())


def test_a_value_that_no_event_holds_is_a_fault_of_ours() -> None:
    """Nothing is kept as something else in silence."""
    with pytest.raises(TypeError, match="bytes"):
        payload.dump(product().to_avro() | {"name": b"raw"})


def test_keeping_a_product_leaves_its_value_alone() -> None:
    """The decoded value may be used after it was kept."""
    value = product().to_avro()
    payload.dump(value)
    assert value == product().to_avro()


@given(st.lists(texts).map(tuple))
def test_tags_are_a_json_list(values: tuple[str, ...]) -> None:
    """Tags come back as they were."""
    assert json.loads(payload.tags(values)) == list(values)
    assert "\0" not in payload.tags(values)


@given(header_lists)
def test_headers_survive_being_kept(headers: list[tuple[str, bytes | None]]) -> None:
    """Any bytes: a schema's GUID is sent in a header, raw."""
    assert unpack(pack(headers)) == headers


@given(ids, header_lists, st.binary())
def test_a_stored_request_is_published_as_it_was(
    product_id: str, headers: list[tuple[str, bytes | None]], value: bytes
) -> None:
    """Topic, key, value and headers."""
    output = stored(Request(product_id, "default", "clip-render", value, pack(headers), "b"))
    assert output == Output("clip-render", product_id.encode(), value, headers)


@given(ids, ids, st.integers(1, 2**63 - 1))
def test_request_ids_are_deterministic_and_distinct(product_id: str, variant: str, revision: int) -> None:
    """The same plan has the same id for ever; another product, variant or number has another."""
    identity = request_id(product_id, variant, revision)
    assert identity == request_id(product_id, variant, revision)
    others = {
        request_id(product_id + "x", variant, revision),
        request_id(product_id, variant + "x", revision),
        request_id(product_id, variant, revision + 1),
        request_id(product_id + variant, "", revision),
    }
    assert identity not in others
    assert len(others) == 4


@given(texts)
def test_storable_texts_have_no_nul_and_are_otherwise_the_same(text: str) -> None:
    """PostgreSQL refuses the NUL and nothing else."""
    assert storable(text) == text.replace("\0", "\ufffd")


def test_instants_are_kept_in_milliseconds() -> None:
    """What an event's timestamp carries, to the last digit."""
    assert milliseconds(NOW) == 1_772_366_400_250
