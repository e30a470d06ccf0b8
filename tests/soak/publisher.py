"""Publishes a workload at its times and in its order, through every outage, as a patient shop does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Producer

from tests.soak.records import Wire
from tests.soak.workload import Item

PATIENCE = 300.0
"""Seconds that the last records may take once all outages are over."""
TURN = 0.2


class PublishingError(Exception):
    """Raised when the broker did not take the whole workload: then the run proves nothing."""


class Publisher:
    """One producer on a thread. ``topic`` gives a topic's real name."""

    def __init__(
        self, bootstrap: str, items: Sequence[Item], wires: Sequence[Wire], topic: Callable[[str], str]
    ) -> None:
        self._items, self._wires, self._topic = items, wires, topic
        # An idempotent producer keeps order and writes once, through all its retries.
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": 0,
                "log_level": 0,
            }
        )
        self.taken = 0
        """Records that the broker has."""
        self._failures: list[str] = []
        self._error: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin now."""
        self._thread.start()

    def finish(self) -> None:
        """Wait until all is published, at the times of the schedule. Raises PublishingError."""
        self._thread.join()
        left = self._producer.flush(PATIENCE)
        self._producer.close()
        if self._error is not None:
            raise PublishingError(f"after {self.taken} records: {self._error}") from self._error
        if left or self._failures:
            raise PublishingError(f"{left + len(self._failures)} of {len(self._items)}: {self._failures[:1]}")

    def abandon(self) -> None:
        """Publish nothing more."""
        self._over.set()
        self._thread.join()
        self._producer.purge()
        self._producer.close()

    def _run(self) -> None:
        began = time.monotonic()
        try:
            for item, wire in zip(self._items, self._wires, strict=True):
                while (left := item.at - (time.monotonic() - began)) > 0:
                    self._producer.poll(0)
                    if self._over.wait(min(left, TURN)):
                        return
                self._producer.produce(
                    self._topic(wire.topic),
                    key=wire.key,
                    value=wire.value,
                    headers=list(wire.headers),
                    on_delivery=self._delivered,
                )
        except (KafkaException, BufferError) as error:
            self._error = error

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self._failures.append(error.str())
        else:
            self.taken += 1
