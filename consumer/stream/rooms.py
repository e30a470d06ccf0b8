"""Which topics a worker has room for: those without any are shut while others go on. Calls no client."""

from __future__ import annotations

from collections.abc import Sequence

from consumer.stream.types import RanksTopics, Worker


class Rooms:
    """The polling thread's view of its worker's room, topic by topic where the worker ranks them.

    What is shut at the client is opened again when half of its room is free, for shutting throws away what was
    fetched ahead.
    """

    def __init__(self, worker: Worker, topics: Sequence[str]) -> None:
        self._worker = worker
        self._ranking = worker if isinstance(worker, RanksTopics) else None
        self._topics = tuple(topics)
        self._most = dict.fromkeys(topics, 1)
        self.shut: frozenset[str] = frozenset()
        """Topics of which nothing may be fetched now."""

    def look(self, rest: int) -> int:
        """How many records may be taken now, of whatever topic is open; ``rest``: at most so many.

        Topics without room are shut as soon as another has some, for what is polled next may be theirs.
        """
        rooms = self._rooms(rest)
        for topic, room in rooms.items():
            self._most[topic] = max(self._most[topic], room)
        opened = {topic for topic in self.shut if rooms[topic] >= max(1, self._most[topic] // 2)}
        self.shut -= opened
        found = {topic: room for topic, room in rooms.items() if topic not in self.shut}
        ready = [room for room in found.values() if room >= 1]
        if not ready:
            return 0
        self.shut |= {topic for topic, room in found.items() if room < 1}
        return min(ready)

    def shut_all(self) -> None:
        """Nothing may be fetched: there was no room for long enough."""
        self.shut = frozenset(self._topics)

    def _rooms(self, rest: int) -> dict[str, int]:
        if self._ranking is None:
            return dict.fromkeys(self._topics, min(self._worker.capacity(), rest))
        return {topic: min(self._ranking.room_for(topic), rest) for topic in self._topics}
