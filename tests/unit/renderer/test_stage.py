"""Laws of a stage: it works what it is given, holds back its caller when full, and starts nothing after closing."""

import threading
import time

from consumer.renderer.stage import Stage


def test_every_item_is_worked_by_one_of_the_threads() -> None:
    """Nothing is lost between threads."""
    seen: list[int] = []
    done = threading.Semaphore(0)

    def work(item: int) -> None:
        seen.append(item)
        done.release()

    stage = Stage("t", work, threads=3)
    stage.start()
    for item in range(50):
        assert stage.put(item)
    for _ in range(50):
        assert done.acquire(timeout=10)
    assert sorted(seen) == list(range(50))
    assert stage.close(time.monotonic() + 10)


def test_a_full_stage_holds_back_its_caller_until_there_is_room() -> None:
    """With one item in work and one waiting, the third put waits: frames in memory stay bounded."""
    go, begun = threading.Event(), threading.Event()

    def work(_: int) -> None:
        begun.set()
        go.wait(10)

    stage = Stage("t", work, bound=1)
    stage.start()
    stage.put(1)
    assert begun.wait(10)
    stage.put(2)
    entered = threading.Event()

    def put_third() -> None:
        stage.put(3)
        entered.set()

    third = threading.Thread(target=put_third)
    third.start()
    assert not entered.wait(0.3)
    go.set()
    assert entered.wait(10)
    third.join(10)
    assert stage.close(time.monotonic() + 10)


def test_after_closing_nothing_waiting_begins_and_put_says_so() -> None:
    """An executor would start the next queued job while it shuts down."""
    go, begun, worked = threading.Event(), threading.Event(), []

    def work(item: int) -> None:
        begun.set()
        go.wait(10)
        worked.append(item)

    stage = Stage("t", work)
    stage.start()
    stage.put(1)
    assert begun.wait(10)
    stage.put(2)
    assert not stage.close(time.monotonic())
    go.set()
    assert stage.close(time.monotonic() + 10)
    assert worked == [1]
    assert not stage.put(3)
    assert stage.waiting() == 1
