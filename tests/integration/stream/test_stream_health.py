"""What a loop says of itself when something is wrong: stuck, without room, stopped by its breaker. Embedded broker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest
from structlog.testing import capture_logs

from consumer.observe.health import Health
from consumer.roles import Role
from consumer.stream.embedded import EmbeddedBroker
from consumer.stream.status import State
from tests.integration.stream.parts import Hand, fill, options, running, until

PATIENCE_S = 0.4


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """One topic of one partition."""
    with EmbeddedBroker(partitions={"in": 1, "out": 1}) as broker:
        yield broker


def test_work_that_gets_nowhere_fails_liveness_with_the_stacks_of_all_threads(broker: EmbeddedBroker) -> None:
    """Records in hand and nothing settled for longer than is borne; once it is settled, all is well again."""
    hand, health = Hand("out"), Health()
    chosen = options(broker.bootstrap, "g", delivery="at_least_once")
    with running(chosen, "in", hand) as loop, capture_logs() as logs:
        role = Role(loop)
        health.watch_life("renderer", partial(role.life, PATIENCE_S))
        fill(broker.bootstrap, "in", 2)
        until(lambda: not health.live().well)
        assert "records in flight and no progress for" in health.live().reasons["renderer"]
        (line,) = [line for line in logs if line["event"] == "not alive"]
        assert any("poll-test" in name for name in line["stacks"])
        assert any("commit-test" in name for name in line["stacks"])
        until(lambda: sum(len(lease.records) for lease in hand.leases) == 2)
        hand.settle(*hand.leases)
        until(lambda: health.live().well)


def test_no_room_though_nothing_is_in_hand_fails_liveness(broker: EmbeddedBroker) -> None:
    """A worker that forgot to give its room back looks healthy from outside, and does nothing for ever."""
    hand = Hand("out", room=0)
    ready = [False]
    chosen = options(broker.bootstrap, "g", delivery="at_least_once", patience=0.1)
    with running(chosen, "in", hand) as loop:
        role = Role(loop, ready=lambda: ready[0])
        until(lambda: loop.status().state is State.PAUSED)
        until(lambda: time.monotonic() - loop.status().since > PATIENCE_S)
        assert role.life(PATIENCE_S) is None, "an engine that loads has no room, and may take its time"
        ready[0] = True
        assert "no room for anything" in (role.life(PATIENCE_S) or "")
        hand.room = 10
        until(lambda: role.life(PATIENCE_S) is None)


def test_a_stop_gives_up_on_what_takes_much_longer_than_work_does(broker: EmbeddedBroker) -> None:
    """The grace follows from the work that was measured, not from the limit alone."""
    hand = Hand("out")
    chosen = options(broker.bootstrap, "g", delivery="at_least_once", drain_timeout=300.0)
    with running(chosen, "in", hand) as loop, capture_logs() as logs:
        fill(broker.bootstrap, "in", 1)
        until(lambda: hand.leases)
        hand.settle(hand.leases.pop())
        until(lambda: loop.status().in_flight == 0)
        fill(broker.bootstrap, "in", 1, start=1)
        until(lambda: hand.leases)
        loop.stop()
        until(lambda: any(line["event"] == "draining" for line in logs))
        (line,) = [line for line in logs if line["event"] == "draining"]
        assert (line["in_flight"], line["grace"] < 60) == (1, True)
        hand.drains.set()
        assert loop.join(30.0)
