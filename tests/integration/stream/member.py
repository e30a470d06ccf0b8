"""A process with one loop that copies a topic, for tests that kill it: python -m tests.integration.stream.member.

Arguments: bootstrap, group, instance, source, target, delivery, and the step before which it halts for ever
("none": never). It prints a line when it halts, and one for every hundred records committed.
"""

from __future__ import annotations

import logging
import sys
import threading
import time

import structlog

from consumer.observe.metrics import Metrics
from consumer.stream.batch import BatchOptions, BatchWorker
from consumer.stream.exactly_once import ExactlyOnce
from consumer.stream.loop import Loop
from tests.integration.stream.parts import ROLE, Echo, committed, options


def halt_before(step: str) -> None:
    """Have the committing thread stop before a step of its first transaction that has it."""
    call = ExactlyOnce._call

    def halting(self: ExactlyOnce, what: str, function: object) -> None:
        if what == step:
            print(f"halted before {what}", flush=True)
            threading.Event().wait()
        call(self, what, function)  # type: ignore[arg-type]

    ExactlyOnce._call = halting  # type: ignore[method-assign, assignment]


def main(arguments: list[str]) -> None:
    """Run until killed."""
    bootstrap, group, instance, source, target, delivery, step = arguments
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    halt_before(step)
    metrics = Metrics()
    chosen = options(bootstrap, group, instance=instance, delivery=delivery, batch=50, transaction_timeout=6.0)
    # Slow enough to be caught in the middle.
    slow = Echo(target, lambda _: time.sleep(0.02))
    worker = BatchWorker(slow, metrics, role=ROLE, group=group, options=BatchOptions(records=50))
    loop = Loop(chosen, [source], worker, metrics, role=ROLE)
    loop.start()
    told = 0
    while not loop.join(0.05):
        if committed(metrics, source) >= told + 100:
            told = committed(metrics, source)
            print(f"committed {told} at {time.time():.3f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
