"""Faults by field, and JSON in and out: every wrong value named where it is, nothing taken for something else."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from fastavro import parse_schema
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.stream.check import Fault, faults_of
from consumer.stream.codec import EncodeError, SingleObjectCodec
from consumer.stream.jsonform import JsonError, from_json, to_json
from consumer.stream.schemas import load
from tests.unit.stream_codec.samples import PRODUCT, TOPIC, product

SCHEMAS = load()
PARSED = SCHEMAS.of(TOPIC).parsed
DEAD = SCHEMAS.of("dead-letter").parsed

ALL: Any = parse_schema(
    {
        "type": "record",
        "name": "All",
        "fields": [
            {"name": "flag", "type": "boolean"},
            {"name": "small", "type": "int"},
            {"name": "real", "type": "float"},
            {"name": "raw", "type": "bytes"},
            {"name": "mark", "type": {"type": "fixed", "name": "Mark", "size": 2}},
            {"name": "nothing", "type": "null"},
            {"name": "again", "type": ["null", "Mark"], "default": None},
        ],
    }
)
WHOLE = {"flag": True, "small": 7, "real": 0.5, "raw": b"\x00\xff", "mark": b"ab", "nothing": None, "again": b"cd"}


def as_json(**changes: Any) -> dict[str, Any]:
    """A product in JSON with changes."""
    return to_json(PARSED, PRODUCT) | changes


def refused(value: Any, parsed: Any = PARSED) -> list[str]:
    """The faults of JSON as text."""
    with pytest.raises(JsonError) as caught:
        from_json(parsed, value, TOPIC)
    return [str(fault) for fault in caught.value.faults]


def test_a_good_datum_has_no_faults() -> None:
    """Nothing to say."""
    assert faults_of(PARSED, PRODUCT, TOPIC) == []
    assert faults_of(ALL, WHOLE, "all") == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"revision": 1.5}, "revision: 1.5 is not a whole number"),
        ({"revision": True}, "revision: True is not a whole number"),
        ({"revision": 1 << 63}, "revision: 9223372036854775808 does not fit 64 bits"),
        ({"name": None}, "name: None is not a text"),
        ({"name": b"bytes"}, "name: b'bytes' is not a text"),
        ({"name": "\ud800"}, "lone surrogate"),
        ({"occurred_at": datetime(2026, 1, 1)}, "has no time zone"),  # noqa: DTZ001 - the fault
        ({"occurred_at": "2026-01-01"}, "is not a time"),
        ({"tier": "LUKEWARM"}, "tier: 'LUKEWARM' is not one of HOT, STANDARD, LONG_TAIL"),
        ({"tags": "kitchen"}, "tags: 'kitchen' is not a list"),
        ({"tags": ["a", 1]}, "tags[1]: 1 is not a text"),
        ({"attributes": []}, "attributes: [] is not a map"),
        ({"attributes": {"a": 1}}, "attributes[a]: 1 is not a text"),
        ({"attributes": {1: "a"}}, "attributes: key 1 is not a text"),
        ({"images": [{"role": "MAIN"}]}, "images[0].url: missing"),
        ({"images": ["url"]}, "images[0]: 'url' is not a ProductImage"),
        ({"price": {"amount": "1", "currency": "EUR"}}, "price.amount: '1' is not a Decimal"),
        ({"price": {"amount": Decimal("1.00001"), "currency": "EUR"}}, "more than 4 digits after the point"),
        ({"price": {"amount": Decimal(10) ** 14, "currency": "EUR"}}, "more than 14 digits before the point"),
        ({"price": {"amount": Decimal("NaN"), "currency": "EUR"}}, "price.amount: NaN is not a number"),
        ({"weight": 3}, "weight: no such field"),
        ({"name": ["x" * 500]}, "xxx… is not a text"),
    ],
)
def test_a_fault_is_named_where_it_is(changes: dict[str, Any], fault: str) -> None:
    """The path leads to the field, and what the checker says, the encoder says."""
    wrong = product() | changes
    (found,) = faults_of(PARSED, wrong, TOPIC)
    assert str(found).startswith(f"{TOPIC}.")
    assert fault in str(found)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("flag", 1, "1 is not true or false"),
        ("small", 1 << 31, "does not fit 32 bits"),
        ("real", "0.5", "'0.5' is not a number"),
        ("raw", "text", "'text' is not bytes"),
        ("mark", b"abc", "3 bytes; 2 wanted"),
        ("mark", "ab", "is not bytes"),
        ("nothing", 0, "0 is not null"),
        ("again", b"", "0 bytes; 2 wanted"),
    ],
)
def test_the_plain_types_are_exact_too(field: str, value: Any, fault: str) -> None:
    """What our contracts do not use yet is checked as well."""
    (found,) = faults_of(ALL, WHOLE | {field: value}, "all")
    assert found.path == f"all.{field}"
    assert fault in found.message


def test_what_is_no_record_is_one_fault() -> None:
    """A datum of the wrong shape altogether."""
    assert faults_of(PARSED, [], TOPIC) == [Fault(TOPIC, "[] is not a ProductCreated")]
    assert refused([]) == [f"{TOPIC}: [] is not a ProductCreated"]


@pytest.mark.parametrize("amount", ["0", "-0.0001", "99999999999999.9999", "1E+2", "0E+30", "-1.2300"])
def test_decimals_that_fit_are_written_exactly(amount: str) -> None:
    """What the checker lets pass, the encoder writes and the decoder gives back."""
    codec = SingleObjectCodec(SCHEMAS)
    datum = product() | {"price": {"amount": Decimal(amount), "currency": "EUR"}}
    assert faults_of(PARSED, datum, TOPIC) == []
    assert codec.decode(TOPIC, *codec.encode(TOPIC, datum)) == datum


def test_an_encoder_reports_the_first_faults_and_counts_the_rest() -> None:
    """A message stays readable."""
    with pytest.raises(EncodeError, match="and 3 more") as caught:
        SingleObjectCodec(SCHEMAS).encode(TOPIC, {})
    assert len(caught.value.faults) == 6


def test_json_goes_round() -> None:
    """Out and in again gives an equal datum, by way of real JSON text."""
    text = json.dumps(to_json(PARSED, PRODUCT))
    assert from_json(PARSED, json.loads(text), TOPIC) == PRODUCT
    text = json.dumps(to_json(ALL, WHOLE))
    assert from_json(ALL, json.loads(text), "all") == WHOLE


def test_json_is_as_people_write_it() -> None:
    """Times with Z, decimals as texts, no type names around values."""
    shown = as_json()
    assert shown["occurred_at"] == "2026-01-31T12:00:00.250Z"
    assert shown["price"] == {"amount": "12.5000", "currency": "EUR"}
    assert shown["brand"] == "Acme"


def test_json_needs_only_what_has_no_default() -> None:
    """Defaults are filled in, and a default list is each datum's own."""
    small = {key: as_json()[key] for key in ("event_id", "occurred_at", "product_id", "revision", "name", "category")}
    first = from_json(PARSED, small, TOPIC)
    first["tags"].append("mine")
    second = from_json(PARSED, small, TOPIC)
    assert (second["tags"], second["tier"], second["price"]) == ([], "STANDARD", None)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2026-01-31T20:00:00+08:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00.123999Z", datetime(2026, 1, 31, 12, 0, 0, 123_000, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
    ],
)
def test_times_are_texts_or_milliseconds(given: Any, meant: datetime) -> None:
    """Any zone is fine, none is not; microseconds are cut."""
    assert from_json(PARSED, as_json(occurred_at=given), TOPIC)["occurred_at"] == meant


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"occurred_at": "2026-01-31T12:00:00"}, "occurred_at: '2026-01-31T12:00:00' has no time zone"),
        ({"occurred_at": "yesterday"}, "is not an ISO 8601 time"),
        ({"occurred_at": 1 << 70}, "milliseconds since 1970 is out of range"),
        ({"occurred_at": "9999-12-31T23:59:59-12:00"}, "out of range"),
        ({"occurred_at": True}, "neither an ISO 8601 text nor milliseconds"),
        ({"occurred_at": None}, "neither an ISO 8601 text"),
        ({"price": {"amount": 12.5, "currency": "EUR"}}, 'price.amount: 12.5 is not exact: write it as a text, "12.5"'),
        ({"price": {"amount": "twelve", "currency": "EUR"}}, "price.amount: 'twelve' is not a decimal text"),
        ({"price": {"amount": None, "currency": "EUR"}}, "price.amount: None is not a decimal text"),
        ({"price": {"amount": "1.23456", "currency": "EUR"}}, "more than 4 digits"),
        ({"price": {"amount": "NaN", "currency": "EUR"}}, "price.amount: NaN is not a number"),
        ({"price": {"amount": "1"}}, "price.currency: missing"),
        ({"price": {"skureel.Price": {}}}, "price.skureel.Price: no such field"),
        ({"weight": 3}, "weight: no such field"),
        ({"tier": "hot"}, "tier: 'hot' is not one of HOT"),
        ({"images": [{"url": 5}]}, "images[0].url: 5 is not a text"),
        ({"attributes": {"colour": None}}, "attributes[colour]: None is not a text"),
        ({"name": "\ud800"}, "lone surrogate"),
    ],
)
def test_json_faults_are_named_where_they_are(changes: dict[str, Any], fault: str) -> None:
    """What ``publish`` prints beside the line number."""
    faults = refused(as_json(**changes))
    assert any(fault in found for found in faults), faults
    assert all(found.startswith(f"{TOPIC}.") for found in faults)


@pytest.mark.parametrize(("text", "meant"), [("100.000000", "100"), ("0.00", "0"), ("-1.50", "-1.5"), (7, "7")])
def test_zeros_at_the_end_of_a_decimal_do_not_count(text: Any, meant: str) -> None:
    """They are not digits that the schema would have to keep."""
    price = from_json(PARSED, as_json(price={"amount": text, "currency": "EUR"}), TOPIC)["price"]
    assert price["amount"] == Decimal(meant)


@pytest.mark.parametrize("text", ["1E+999999999", "1E-999999999", "-1E+99", "0E-7", "sNaN", "Infinity"])
def test_hostile_decimals_are_refused_or_written(text: str) -> None:
    """Nothing is computed that the exponent alone makes large."""
    try:
        datum = from_json(PARSED, as_json(price={"amount": text, "currency": "EUR"}), TOPIC)
    except JsonError:
        return
    SingleObjectCodec(SCHEMAS).encode(TOPIC, datum)


def test_all_faults_are_reported_once() -> None:
    """Conversions, ranges, missing and unknown fields together, none of them twice."""
    wrong = as_json(occurred_at="x", tier="hot", weight=1)
    del wrong["name"]
    paths = [fault.split(":")[0] for fault in refused(wrong)]
    assert sorted(paths) == [f"{TOPIC}.{name}" for name in ("name", "occurred_at", "tier", "weight")]


@pytest.mark.parametrize(
    ("field", "given", "fault"),
    [
        ("raw", "not base64!", "is not base64"),
        ("raw", 5, "5 is not a base64 text"),
        ("raw", "äö", "is not base64"),
        ("mark", "YWJj", "3 bytes; 2 wanted"),
        ("real", math.nan, "nan is not JSON"),
        ("real", 10**400, "is out of range"),
        ("real", True, "True is not a number"),
        ("real", "much", "'much' is not a number"),
    ],
)
def test_bytes_and_floats_in_json(field: str, given: Any, fault: str) -> None:
    """Base64 or refused; a number or refused."""
    assert any(fault in found for found in refused(to_json(ALL, WHOLE) | {field: given}, ALL))


@pytest.mark.parametrize(("number", "text"), [(math.inf, "Infinity"), (-math.inf, "-Infinity"), (math.nan, "NaN")])
def test_floats_that_json_has_no_word_for(number: float, text: str) -> None:
    """They are texts, and come back."""
    shown = to_json(ALL, WHOLE | {"real": number})
    assert shown["real"] == text
    assert repr(from_json(ALL, shown, "all")["real"]) == repr(number)


def test_whole_numbers_are_fine_where_reals_are_wanted() -> None:
    """JSON has one kind of number."""
    assert from_json(ALL, to_json(ALL, WHOLE) | {"real": 3}, "all")["real"] == 3.0


def test_times_of_other_zones_print_in_utc() -> None:
    """One form for all."""
    east = datetime(2026, 1, 31, 20, tzinfo=timezone(timedelta(hours=8)))
    assert to_json(PARSED, product() | {"occurred_at": east})["occurred_at"] == "2026-01-31T12:00:00.000Z"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = [field["name"] for field in PARSED["fields"]] + ["weight"]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_json_is_encoded_or_refused_by_field(changes: dict[str, Any]) -> None:
    """Whatever the JSON, the outcome is bytes that read back equal, or faults with paths: never another error."""
    try:
        datum = from_json(PARSED, as_json(**changes), TOPIC)
    except JsonError as error:
        paths = [fault.path for fault in error.faults]
    else:
        codec = SingleObjectCodec(SCHEMAS)
        assert codec.decode(TOPIC, *codec.encode(TOPIC, datum)) == datum
        return
    assert all(path.startswith(f"{TOPIC}.") for path in paths)


def test_dead_letters_have_a_json_form() -> None:
    """Raw bytes show as base64."""
    letter = {
        "topic": TOPIC,
        "partition": 0,
        "offset": 5,
        "group": "g",
        "message": "m",
        "exception": "E",
        "stage": "decode",
        "attempts": 1,
        "failed_at": PRODUCT["occurred_at"],
        "service_version": "0",
        "key": None,
        "value": b"\x00\xff",
        "timestamp": PRODUCT["occurred_at"],
        "headers": [{"name": "h", "value": b"v"}],
    }
    shown = to_json(DEAD, letter)
    assert (shown["value"], shown["headers"][0]["value"]) == ("AP8=", "dg==")
    assert from_json(DEAD, shown, "dead-letter") == letter
