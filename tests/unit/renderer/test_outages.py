"""Laws of waiting: an outage for as long as it takes, one record's own trouble a bounded number of times."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.events import VideoReady
from consumer.observe import metrics as m
from consumer.renderer.outages import Case, Outages, PutOffError, StoppedError
from consumer.storage.files import FilesStore
from consumer.storage.store import Attributes, Condition, Stat, StoreUnavailableError
from consumer.stream.backoff import Backoff
from consumer.stream.deadletter import FAMILY
from consumer.stream.types import OwnTroubleError, UnavailableError
from tests.engines import TestEngine
from tests.unit.renderer.conftest import Bench, recipe, request

Make = Callable[..., Bench]
SOON = Backoff(first=0.001, longest=0.001)


@pytest.fixture
def outages() -> Outages:
    """With pauses of a millisecond, and three tries."""
    return Outages(threading.Event(), m.Metrics(), "renderer", tries=3, backoff=SOON)


def fails() -> None:
    """What a store says that is out."""
    raise StoreUnavailableError("status 503")


def suffer(outages: Outages, case: Case) -> None:
    """One attempt that fails."""
    with pytest.raises(PutOffError):
        outages.attempt("dress", case, fails)


def test_what_everybody_suffers_from_is_waited_for(outages: Outages) -> None:
    """However often: nothing is given up while nobody gets through, and the part is told as out until somebody does."""
    cases = [Case(), Case()]
    for _ in range(50):
        for case in cases:
            suffer(outages, case)
    assert outages.names() == ("store",)
    assert outages.attempt("dress", cases[0], lambda: 1) == 1
    assert outages.names() == ()


def test_what_one_record_alone_suffers_from_is_given_up_after_its_tries(outages: Outages) -> None:
    """While others get through, each of its failures counts; and nobody is told that the part is out."""
    case = Case()
    suffer(outages, case)
    for _ in range(2):
        outages.attempt("dress", Case(), lambda: None)
        suffer(outages, case)
        assert outages.names() == ()
    outages.attempt("dress", Case(), lambda: None)
    with pytest.raises(OwnTroubleError, match="store failed 4 times for this record alone: status 503"):
        outages.attempt("dress", case, fails)


def test_a_part_that_fails_now_and_then_for_all_is_out_for_all(outages: Outages) -> None:
    """Others that fail too show that it is not this record: under half the attempts failing none is given up."""
    mine = Case()
    for _ in range(50):
        outages.attempt("dress", Case(), lambda: None)
        suffer(outages, Case())
        suffer(outages, mine)
    assert mine.alone == 0


def test_others_that_got_through_elsewhere_prove_nothing(outages: Outages) -> None:
    """A full disk can be read: only the same stage counts."""
    case = Case()
    for _ in range(20):
        outages.attempt("lookup", Case(), lambda: None)
        suffer(outages, case)
    assert outages.names() == ("store",)


def test_success_makes_good_for_what_was_before(outages: Outages) -> None:
    """Tries are counted in a row."""
    case = Case()
    for _ in range(10):
        suffer(outages, case)
        outages.attempt("dress", Case(), lambda: None)
        suffer(outages, case)
        assert outages.attempt("dress", case, lambda: 5) == 5


def test_waiting_ends_with_the_process(outages: Outages) -> None:
    """Whoever waits on its thread is told."""
    outages._stopping.set()

    def registry_is_out() -> None:
        raise UnavailableError("registry", "status 500")

    with pytest.raises(StoppedError):
        outages.patiently("encode", registry_is_out)


class Cursed(FilesStore):
    """A store that never takes anything of one product, and takes all the rest."""

    def put(self, key: str, data: bytes | Path, attributes: Attributes, *, condition: Condition | None = None) -> Stat:
        """See Store."""
        if "cursed" in key:
            raise StoreUnavailableError(f"{key}: status 503")
        return super().put(key, data, attributes, condition=condition)


def test_one_product_that_always_fails_costs_its_tries_and_holds_up_nobody(store: FilesStore) -> None:
    """It becomes a dead letter with its attempts, is visible in a metric, and the others' clips come meanwhile."""
    bench = Bench(Cursed(store.root), TestEngine(), tries=2, look_ahead=200)
    try:
        bench.send(request("cursed", made_of=recipe(0)), 0)
        sent = 0
        while not bench.settler.wait(lambda s: 0 in s.settled, 0.05):
            sent += 1
            bench.send(request(f"p{sent}", made_of=recipe(sent)), sent)
            assert isinstance(bench.settler.event(sent), VideoReady), "the others go on"
        (letter,) = bench.settler.outputs(0)
        facts = dict(letter.headers)
        assert b"for this record alone" in (facts[FAMILY + "message"] or b"")
        assert int(facts[FAMILY + "attempts"] or b"0") <= 5
        assert bench.metrics.value(m.RETRIES, stage="dress") == 2
        assert bench.renderer.unavailable() == ()
    finally:
        bench.renderer.close()
