"""A command that stops for ever before a step, for tests that kill it: python -m tests.integration.operate.halting.

Arguments: the step (a method of the producer), then those of ``skureel``.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from confluent_kafka import Producer

from consumer.cli import app
from consumer.operate import broker, letterbox, publish


class Halting:
    """A producer that does all but one thing."""

    def __init__(self, producer: object, step: str) -> None:
        self._producer, self._step = producer, step

    def __getattr__(self, name: str) -> object:
        if name == self._step:
            print(f"halted before {name}", flush=True)
            threading.Event().wait()
        return getattr(self._producer, name)


if __name__ == "__main__":
    halt, *arguments = sys.argv[1:]
    plain: Any = broker.open_client

    def opened(kind: type, options: Any) -> Any:
        """The client, made to halt where it is a producer."""
        client, complaints = plain(kind, options)
        return (Halting(client, halt) if kind is Producer else client), complaints

    for module in (letterbox, publish):
        vars(module)["open_client"] = opened
    app(arguments)
