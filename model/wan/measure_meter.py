"""Time spent inside named calls, on the host's clock or in a device's own queue, and the most memory held meanwhile.

Knows no model: it is handed the calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from model.wan.timing import settled

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Spent(NamedTuple):
    """Seconds."""

    wall: float = 0.0
    cpu: float = 0.0
    """Of this process on the host, all threads together: on a busy machine it says more than the wall clock does."""

    def plus(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(self.wall + other.wall, self.cpu + other.cpu)

    def less(self, other: Spent) -> Spent:
        """What is left, never below 0."""
        return Spent(max(0.0, self.wall - other.wall), max(0.0, self.cpu - other.cpu))


class _Mark(NamedTuple):
    wall: float
    cpu: float
    event: torch.cuda.Event | None


class Meter:
    """Collects spans of time under names.

    On CUDA a span lies between two events in the queue of the thread's stream: nothing waits for it, so what runs side
    by side still does. On a CPU it lies between two readings of the clock.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        wall: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._device, self._wall, self._cpu = device, wall, cpu
        self._spans: list[tuple[str, _Mark, _Mark]] = []

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Counts the block's time under a name; blocks of one name are not to be nested."""
        begin = self._mark()
        try:
            yield
        finally:
            self._spans.append((name, begin, self._mark()))

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, counted under a name."""

        def counted(*arguments: Any, **named: Any) -> Any:
            begin = self._mark()
            try:
                return call(*arguments, **named)
            finally:
                self._spans.append((name, begin, self._mark()))

        return counted

    def drawn(self, name: str, things: Iterable[Any]) -> Iterator[Any]:
        """The same things, the making of each counted under a name, and not what is done with them."""
        source = iter(things)
        while True:
            with self.span(name):
                thing = next(source, self)
            if thing is self:
                return
            yield thing

    @contextmanager
    def watching(self, *places: tuple[Any, str, str]) -> Iterator[None]:
        """Within the block, calls of an object's method are counted: (object, method, name) each."""
        with ExitStack() as stack:
            for owner, method, name in places:
                setattr(owner, method, self.timed(name, getattr(owner, method)))
                stack.callback(delattr, owner, method)  # the class's own shows again
            yield

    def take(self) -> dict[str, Spent]:
        """The sums by name since the last call; waits until the device has done what was asked of it."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        sums: dict[str, Spent] = {}
        for name, begin, end in self._spans:
            wall = end.wall - begin.wall
            if begin.event is not None and end.event is not None:
                wall = begin.event.elapsed_time(end.event) / 1000
            sums[name] = sums.get(name, Spent()).plus(Spent(wall, end.cpu - begin.cpu))
        self._spans.clear()
        return sums

    def _mark(self) -> _Mark:
        event = None
        if self._device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(self._device))
        return _Mark(self._wall(), self._cpu(), event)


class Stopwatch:
    """Starts when made; ``stop`` gives the time since, the device's work included."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._wall, self._cpu = settled(device), time.process_time()

    def stop(self) -> Spent:
        """Wall and CPU time since the start."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return Spent(time.perf_counter() - self._wall, time.process_time() - self._cpu)


class Peak:
    """The most memory held since it was made.

    On CUDA what the allocator gave out and reserved, weights included. On a CPU how far the process's resident memory
    rose above where it was; what the allocator of the C library had kept from before does not show in it.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        elif _STATUS.exists():
            try:
                _RESET.write_text("5", encoding="ascii")  # Linux: the mark of the most ever resident falls to what is
            except OSError:
                return
            self._before = _status("VmRSS")

    def bytes(self) -> dict[str, float]:
        """``allocated_bytes`` and ``reserved_bytes``, or ``resident_bytes``; nothing where the system does not tell."""
        if self._device.type == "cuda":
            return {
                "allocated_bytes": float(torch.cuda.max_memory_allocated(self._device)),
                "reserved_bytes": float(torch.cuda.max_memory_reserved(self._device)),
            }
        return {"resident_bytes": float(max(0, _status("VmHWM") - self._before))} if self._before else {}


def _status(name: str) -> int:
    """One of the kernel's figures of this process, in bytes."""
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
