"""Which parts of the model are on the device when: decided from figures, and then kept to.

Modes: ``resident``, all parts stay; ``evict``, text encoder and transformer take turns, and prompts that are known
already need no turn; ``offload``, one part is on the device at a time. Knows no part's inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch

Part = Literal["text", "transformer", "vae"]
Mode = Literal["resident", "evict", "offload"]
GIB = 2**30
HEADROOM = 1.05
"""Allocators round up and fragment: this much more than the sum is asked for."""
TEXT_WORK = 1 * GIB
"""Activations of the text encoder at 512 tokens, generously."""


class MemoryShortError(Exception):
    """Raised when no mode fits; says what the smallest one needs and what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Bytes: the parts' weights, and what denoising and decoding work with beside them."""

    text: int
    transformer: int
    vae: int
    denoise: int
    decode: int

    def of(self, mode: Mode, *, overlap: bool = False) -> int:
        """The peak under a mode. ``overlap``: one batch is decoded while the next is denoised, so both work at once."""
        text = self.text + TEXT_WORK
        work = self.denoise + self.decode if overlap else max(self.denoise, self.decode)
        if mode == "offload":
            peak = max(text, self.transformer + self.denoise, self.vae + self.decode)
        elif mode == "evict":
            peak = self.vae + max(text, self.transformer + work)
        else:
            peak = self.text + self.transformer + self.vae + max(TEXT_WORK, work)
        return int(peak * HEADROOM)


class Choice(NamedTuple):
    """The mode, whether decoding overlaps denoising in it, and why."""

    mode: Mode
    overlap: bool
    reason: str


_WAYS: tuple[tuple[Mode, bool], ...] = (
    ("resident", True),
    ("resident", False),
    ("evict", True),
    ("evict", False),
    ("offload", False),
)
"""Fastest first. In ``offload`` the decoder must not be moved away under a decode, so nothing overlaps there."""


def choose(
    need: Need,
    free: int,
    wanted: Literal["auto", "resident", "evict", "offload"] = "auto",
    *,
    overlap: bool = True,
) -> Choice:
    """The fastest way that fits into this much free memory (bytes), of those wanted. Raises MemoryShortError.

    ``overlap``: whether decoding may overlap denoising at all.
    """
    ways = [way for way in _WAYS if wanted in {"auto", way[0]} and (overlap or not way[1])]
    for mode, both in ways:
        due = need.of(mode, overlap=both)
        if due <= free:
            told = "decoding beside denoising" if both else "decoding after denoising"
            return Choice(mode, both, f"{mode}, {told}, needs {due / GIB:.1f} GiB, {free / GIB:.1f} are free")
    least = ways[-1][0]
    raise MemoryShortError(
        f"{least} needs {need.of(least) / GIB:.1f} GiB and {free / GIB:.1f} are free: use a larger device, fewer clips "
        "a batch or a profile of smaller buckets, or end what else is on the device"
    )


def denoise_bytes(tokens: int, width: int, ffn: int, batch: int) -> int:
    """Upper estimate of what denoising works with: a block holds about twelve copies of its tokens in float32, and the
    wide layer once in bfloat16.
    """
    return batch * tokens * (12 * 4 * width + 2 * ffn)


def decode_bytes(pixels: int, *, frames_at_once: int, itemsize: int) -> int:
    """Upper estimate of what decoding works with, from the decoder's shapes.

    Its unit is one frame behind the last doubling of size: 256 channels at half the sides, 64 values a pixel. What the
    convolutions remember is 27 of these, and a block's intermediates are 14 for each frame that goes through together.
    """
    return pixels * 64 * itemsize * (27 + 14 * frames_at_once)


def kernel_bytes(decoder: Any, *, itemsize: int, pairs: bool) -> int:
    """Bytes of the kernels that decoding keeps beside the VAE's own float32 weights: copies in another precision, and
    for pairs of frames two sums for every three kernels.
    """
    numbers = sum(each.numel() for each in decoder.parameters())
    copies = 0 if itemsize == torch.float32.itemsize else numbers
    return (copies + (2 * numbers // 3 if pairs else 0)) * itemsize


def free_bytes(device: torch.device) -> int:
    """Memory that can still be had on a device; for a CPU, of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    with open("/proc/meminfo", encoding="ascii") as lines:  # noqa: PTH123 - a kernel file, no path of ours
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    raise MemoryShortError("the kernel does not say how much memory is available")


def weight_bytes(module: Any) -> int:
    """Bytes of a module's parameters and buffers."""
    return sum(each.numel() * each.element_size() for each in (*module.parameters(), *module.buffers()))


class Placement:
    """Moves parts on and off one device as the mode asks. Not thread-safe: one engine thread owns it."""

    def __init__(self, parts: Mapping[Part, Any], device: torch.device, mode: Mode) -> None:
        self._parts, self.device, self.mode = parts, device, mode
        self._there: set[Part] = set()

    def settle(self) -> None:
        """Bring what stays on the device there."""
        for part in self._staying():
            self._bring(part)

    def use(self, part: Part) -> torch.device:
        """See that a part is on the device, and that those that must make room for it are not. Gives the device."""
        for other in self._there - {part}:
            if self._yields(other, part):
                self._parts[other].to("cpu")
                self._there.discard(other)
        self._bring(part)
        return self.device

    def _staying(self) -> tuple[Part, ...]:
        if self.mode == "resident":
            return ("text", "transformer", "vae")
        return ("vae",) if self.mode == "evict" else ()

    def _yields(self, other: Part, part: Part) -> bool:
        return self.mode == "offload" or (self.mode == "evict" and {other, part} == {"text", "transformer"})

    def _bring(self, part: Part) -> None:
        if part not in self._there:
            self._empty()
            self._parts[part].to(self.device)
            self._there.add(part)

    def _empty(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
