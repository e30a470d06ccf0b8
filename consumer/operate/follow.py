"""Copies topics to JSON-lines files while a service runs: what the demo leaves for a reader to look at."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from consumer.operate.tail import records, show
from consumer.stream.codec import FramedCodec


class Follower:
    """One thread a topic; each record becomes a line of ``folder/<topic>.jsonl``. Lines of earlier runs stay."""

    def __init__(self, options: dict[str, str], codec: FramedCodec, topics: Iterable[str], folder: Path) -> None:
        self._options, self._codec, self._folder = options, codec, folder
        self._changed = threading.Condition()
        self._seen: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
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
            return len(self._seen[topic])

    def seen(self, topic: str, after: int = 0) -> list[dict[str, Any]]:
        """The records of a topic written so far, without the first ``after`` of them."""
        with self._changed:
            return self._seen[topic][after:]

    def wait_for(self, topic: str, count: int, timeout: float) -> bool:
        """Wait until so many records of a topic were written. False when they were not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._seen[topic]) >= count, timeout)

    def _follow(self, topic: str) -> None:
        source = records(self._options, topic, follow=True, latest=False, stop=self._stopping.is_set)
        with (self._folder / f"{topic}.jsonl").open("a", encoding="utf-8") as file:
            for record in source:
                shown = show(self._codec, record, meta=False)
                file.write(json.dumps(shown, ensure_ascii=False) + "\n")
                file.flush()
                with self._changed:
                    self._seen[topic].append(shown)
                    self._changed.notify_all()
