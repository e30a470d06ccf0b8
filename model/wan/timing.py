"""Where a batch's time goes, by stage, and how near to the device's ceiling it came. Knows no model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch


def settled(device: torch.device) -> float:
    """The time (seconds, monotonic) at which all that this thread's stream has queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
    return time.perf_counter()


@dataclass(slots=True)
class Stages:
    """Seconds by stage of one batch. Stages of one batch follow each other, so their sum is the batch's time."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the time of the block, device work included."""
        start = settled(self.device)
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + settled(self.device) - start

    @property
    def total(self) -> float:
        """Seconds of all stages."""
        return sum(self.seconds.values())


class Pace:
    """Keeps the host at most one step ahead of the device, so that a step that was told of has really been done.

    Without it the host would queue all steps at once: progress and time-outs would speak of the queue, and a batch
    could not be stopped between two steps. With it the device still has its next step queued while it works.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._before: torch.cuda.Event | None = None

    def step(self) -> None:
        """A step was queued: wait for the end of the one before."""
        if not self._cuda:
            return
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        if self._before is not None:
            self._before.synchronize()
        self._before = event


def memory_figures(device: torch.device) -> dict[str, float]:
    """Peak bytes that the allocator gave out and held since the last call; nothing on a CPU, which keeps no account."""
    if device.type != "cuda":
        return {}
    figures = {
        "allocated_bytes": float(torch.cuda.max_memory_allocated(device)),
        "reserved_bytes": float(torch.cuda.max_memory_reserved(device)),
    }
    torch.cuda.reset_peak_memory_stats(device)
    return figures


def matrix_ceiling(device: torch.device, dtype: torch.dtype, *, side: int = 0, rounds: int = 0) -> float:
    """FLOP a second of a large matrix product: the ceiling that MFU is measured against. Best of a few rounds."""
    cuda = device.type == "cuda"
    side, rounds = side or (8192 if cuda else 768), rounds or (20 if cuda else 5)
    left = torch.randn(side, side, device=device, dtype=dtype)
    right = torch.randn(side, side, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(rounds):
        start = settled(device)
        torch.mm(left, right)
        best = min(best, settled(device) - start)
    return 2 * side**3 / best


def copy_ceiling(device: torch.device, *, mebibytes: int = 0) -> float:
    """Bytes a second of a copy within the device (read and written bytes both count). Best of a few rounds."""
    size = (mebibytes or (1024 if device.type == "cuda" else 64)) * 2**20
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(5):
        start = settled(device)
        target.copy_(source)
        best = min(best, settled(device) - start)
    return 2 * size / best
