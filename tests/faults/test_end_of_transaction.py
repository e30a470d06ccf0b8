"""The answer to the end of a transaction lost or late, by a proxy before a real broker: nobody saw what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.observe.metrics import TRANSACTIONS, Metrics
from consumer.stream.batch import BatchOptions, BatchWorker
from tests.faults.proxy import Proxy, hold
from tests.integration.stream.parts import (
    PATIENCE,
    ROLE,
    Echo,
    committed,
    fill,
    group_offsets,
    numbers,
    options,
    read,
    running,
    wait_for,
)
from tests.services.fixtures import opened
from tests.services.kafka import Kafka
from tests.services.ports import LOOPBACK, free_port


class Proxied(Kafka):
    """A broker that tells its clients to come by way of a proxy."""

    proxy = 0

    def _write_settings(self) -> None:
        super()._write_settings()
        told, wanted = f"advertised.listeners=PLAINTEXT://{self.bootstrap}", f"{LOOPBACK}:{self.proxy}"
        text = self._settings_file.read_text()
        self._settings_file.write_text(text.replace(told, f"advertised.listeners=PLAINTEXT://{wanted}"))


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """A proxy before a broker of its own, with topics "in" and "out"."""
    port = free_port()
    proxy = Proxy((LOOPBACK, port))
    broker = Proxied(tmp_path / "kafka", port=port)
    broker.proxy = proxy.port
    with opened(broker):
        broker.create_topics({"in": 2, "out": 2})
        yield proxy
        proxy.close()


@pytest.mark.parametrize("late", [False, True], ids=["lost", "late"])
def test_fault_13_an_end_that_nobody_saw_is_asked_for_and_harms_no_transaction_after_it(
    proxy: Proxy, late: bool
) -> None:
    """The group knows whether it was committed: each record is there once, and the next transactions go on."""
    turns = iter(range(10_000))
    strange: Callable[[], bool] = (lambda: hold(4.0)) if late else (lambda: False)
    proxy.answers = lambda: strange() if next(turns) in {2, 5} else True
    bootstrap, metrics = f"{LOOPBACK}:{proxy.port}", Metrics()
    chosen = options(
        bootstrap, "group", batch=50, transaction_timeout=6.0, client={"socket.timeout.ms": "2000", "linger.ms": "0"}
    )
    worker = BatchWorker(Echo("out"), metrics, role=ROLE, group="group", options=BatchOptions(records=50))
    with running(chosen, "in", worker, metrics) as loop:
        for part in range(10):
            fill(bootstrap, "in", 100, start=100 * part)
            wait_for(loop, lambda part=part: committed(metrics, "in") >= 100 * part, PATIENCE)  # type: ignore[misc]
        wait_for(loop, lambda: sum(group_offsets(chosen, "in", 2)) == 1_000, 2 * PATIENCE)
    assert proxy.met > 5, "two answers were tampered with"
    assert numbers(read(bootstrap, "out")) == list(range(1_000))
    assert metrics.value(TRANSACTIONS, role=ROLE, result="committed") > 0
