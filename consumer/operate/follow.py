"""Copies topics to JSON-lines files while a service runs: what the demo leaves for a reader to look at."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from consumer.operate.tail import records, show
from consumer.stream.codec import FramedCodec


class Follower:
    """One thread a topic; each record becomes a line of ``folder/<topic>.jsonl``. Lines of earlier runs stay."""

    def __init__(self, options: dict[str, str], codec: FramedCodec, topics: Iterable[str], folder: Path) -> None:
        self._options, self._codec, self._folder = options, codec, folder
        self._changed = threading.Condition()
        self._counts: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=(topic,), name=f"skureel-follow-{topic}", daemon=True)
            for topic in topics
        ]

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(5)

    def count(self, topic: str) -> int:
        """Records of a topic written so far."""
        with self._changed:
            return self._counts[topic]

    def wait_for(self, topic: str, count: int, timeout: float) -> bool:
        """Wait until so many records of a topic were written. False when they were not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._counts[topic] >= count, timeout)

    def _follow(self, topic: str) -> None:
        source = records(self._options, topic, follow=True, latest=False, stop=self._stopping.is_set)
        with (self._folder / f"{topic}.jsonl").open("a", encoding="utf-8") as file:
            for record in source:
                file.write(json.dumps(show(self._codec, record, meta=False), ensure_ascii=False) + "\n")
                file.flush()
                with self._changed:
                    self._counts[topic] += 1
                    self._changed.notify_all()
