"""Laws of room by topic: one without room holds up nobody else, and opens again when half of its room is free."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from consumer.stream.rooms import Rooms
from consumer.stream.types import Lease, Partition, Settler

PLENTY = 1_000


class Plain:
    """A worker that has as much room as it is told."""

    def __init__(self, room: int) -> None:
        self.free = room

    def start(self, settler: Settler) -> None: ...

    def capacity(self) -> int:
        return self.free

    def submit(self, leases: Sequence[Lease]) -> None: ...

    def assigned(self, partitions: Sequence[Partition]) -> None: ...

    def revoked(self, partitions: Sequence[Partition]) -> None: ...

    def drain(self, seconds: float) -> bool:  # noqa: ARG002 - nothing to wait for
        return True

    def close(self) -> None: ...


class Ranking(Plain):
    """One that has room topic by topic."""

    def __init__(self, **rooms: int) -> None:
        super().__init__(0)
        self.rooms = rooms

    def room_for(self, topic: str) -> int:
        return self.rooms[topic]


def test_a_topic_without_room_is_shut_while_another_has_some() -> None:
    """Interactive records come in although bulk is full, and no more than there is room for."""
    worker = Ranking(single=16, bulk=16)
    rooms = Rooms(worker, ["single", "bulk"])
    assert (rooms.look(PLENTY), rooms.shut) == (16, frozenset())
    worker.rooms = {"single": 5, "bulk": 0}
    assert (rooms.look(PLENTY), rooms.shut) == (5, frozenset({"bulk"}))


def test_a_shut_topic_opens_when_half_of_its_room_is_free() -> None:
    """Not with every place: opening and shutting throws away what was fetched ahead."""
    worker = Ranking(single=16, bulk=16)
    rooms = Rooms(worker, ["single", "bulk"])
    rooms.look(PLENTY)
    opened = []
    for room in (0, 1, 7, 8, 3):
        worker.rooms["bulk"] = room
        rooms.look(PLENTY)
        opened.append("bulk" not in rooms.shut)
    assert opened == [False, False, False, True, True]


def test_where_no_topic_has_room_none_is_shut_yet() -> None:
    """The loop waits a little for a place before it throws anything away; the first place counts."""
    worker = Ranking(single=16, bulk=16)
    rooms = Rooms(worker, ["single", "bulk"])
    rooms.look(PLENTY)
    worker.rooms = {"single": 0, "bulk": 0}
    assert (rooms.look(PLENTY), rooms.shut) == (0, frozenset())
    worker.rooms = {"single": 0, "bulk": 1}
    assert (rooms.look(PLENTY), rooms.shut) == (1, frozenset({"single"}))


def test_after_a_pause_each_topic_opens_by_itself() -> None:
    """A full lane does not keep the other shut."""
    worker = Ranking(single=16, bulk=16)
    rooms = Rooms(worker, ["single", "bulk"])
    rooms.look(PLENTY)
    rooms.shut_all()
    worker.rooms = {"single": 3, "bulk": 9}
    assert (rooms.look(PLENTY), rooms.shut) == (9, frozenset({"single"}))


def test_a_worker_without_ranks_has_one_room_for_all() -> None:
    """Nothing is shut one by one; after a pause half of the room opens all."""
    worker = Plain(10)
    rooms = Rooms(worker, ["a", "b"])
    assert (rooms.look(PLENTY), rooms.shut) == (10, frozenset())
    worker.free = 0
    assert (rooms.look(PLENTY), rooms.shut) == (0, frozenset())
    rooms.shut_all()
    looks = []
    for worker.free in (1, 4, 5):
        looks.append((rooms.look(PLENTY), len(rooms.shut)))
    assert looks == [(0, 2), (0, 2), (5, 0)]


def test_what_may_be_uncommitted_bounds_every_room() -> None:
    """Slow commits hold up all topics alike."""
    rooms = Rooms(Ranking(a=10, b=10), ["a", "b"])
    assert rooms.look(3) == 3
    assert rooms.look(0) == 0


@given(st.lists(st.fixed_dictionaries({"a": st.integers(0, 8), "b": st.integers(0, 8)}), min_size=1, max_size=30))
def test_never_more_than_any_open_topic_has_room_for(moments: list[dict[str, int]]) -> None:
    """Whatever is polled next, of whichever open topic, there is room for it; and full room is never shut out."""
    worker = Ranking(a=8, b=8)
    rooms = Rooms(worker, ["a", "b"])
    rooms.look(PLENTY)
    for worker.rooms in moments:
        found = rooms.look(PLENTY)
        opened = {"a", "b"} - rooms.shut
        if found:
            assert all(worker.rooms[topic] >= found for topic in opened)
        assert all(worker.rooms[topic] < 8 for topic in rooms.shut)
