"""Which parts of the model are on the device when: decided from figures, and then kept to.

Modes: ``resident``, all parts stay; ``evict``, text encoder and transformer take turns, and prompts that are known
already need no turn; ``offload``, one part is on the device at a time. Knows no part's inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
    overlap: bool = False
    """True when one batch is decoded while the next is denoised: then both work at once, but not in ``offload``."""

    def of(self, mode: Mode) -> int:
        """The peak under a mode."""
        text = self.text + TEXT_WORK
        work = self.denoise + self.decode if self.overlap else max(self.denoise, self.decode)
        if mode == "offload":
            peak = max(text, self.transformer + self.denoise, self.vae + self.decode)
        elif mode == "evict":
            peak = self.vae + max(text, self.transformer + work)
        else:
            peak = self.text + self.transformer + self.vae + max(TEXT_WORK, work)
        return int(peak * HEADROOM)


@dataclass(frozen=True, slots=True)
class Choice:
    """The mode and why."""

    mode: Mode
    reason: str


def choose(need: Need, free: int, wanted: Literal["auto", "resident", "evict", "offload"] = "auto") -> Choice:
    """The mode for this much free memory (bytes): the fastest that fits, or the wanted one. Raises MemoryShortError."""
    modes: tuple[Mode, ...] = ("resident", "evict", "offload") if wanted == "auto" else (wanted,)
    for mode in modes:
        if need.of(mode) <= free:
            return Choice(mode, f"{mode} needs {need.of(mode) / GIB:.1f} GiB, {free / GIB:.1f} are free")
    least = modes[-1]
    raise MemoryShortError(
        f"{least} needs {need.of(least) / GIB:.1f} GiB and {free / GIB:.1f} are free: use a larger device, fewer clips "
        "a batch or a profile of smaller buckets, or end what else is on the device"
    )


def work(tokens: int, width: int, ffn: int, batch: int, pixels: int) -> tuple[int, int]:
    """Bytes that denoising and decoding work with, beside the weights: upper estimates for bfloat16.

    Denoising: a block holds about twelve copies of its tokens in float32 and the wide layer once in bfloat16.
    Decoding: the decoder's last stages hold 256 channels at half the size, for four frames in float32 and a few copies,
    and the features of two frames behind each of its convolutions: about 10 KiB for every pixel of a frame.
    """
    return batch * tokens * (12 * 4 * width + 2 * ffn), pixels * 10 * 1024


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
