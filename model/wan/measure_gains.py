"""One switch off and on in turn, on the same inputs: seconds, ratio, memory, beside what was predicted.

Knows no switch: they are in ``measure_switches``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from model.engine import EngineError
from model.wan.decode import DecodeOptions
from model.wan.load import Parts
from model.wan.measure_figures import Case, Series, short
from model.wan.measure_meter import Peak, Spent, Stopwatch
from model.wan.measure_sides import Ours, used_profile
from model.wan.profile import FRAME_STEP, Profile
from model.wan.runtime import OUT_OF_MEMORY, free_cache
from model.wan.text import Prompts

TIME_UP = "the time was up"
PATIENCE = 30.0
"""Seconds after which a switch gets no further round."""


class Predicted(NamedTuple):
    """On over off, written down before anything was measured."""

    gpu: float
    cpu: float
    """With the tiny checkpoint."""
    source: str


class Pair(NamedTuple):
    """The two ways of doing one thing."""

    off: Callable[[], Any]
    on: Callable[[], Any]
    wall: bool = False
    """Compare wall time on a CPU too: what is gained is gained by doing two things at once."""
    done: Callable[[], None] = lambda: None
    """Called at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What switches are tried on: one profile's modules, one case, one device."""

    parts: Parts
    profile: Profile
    case: Case
    device: torch.device
    rounds: int
    compile: bool = False

    def latents(self, batch: int = 1) -> Tensor:
        """(batch, channels, frames, rows, columns), float32, drawn from a fixed seed."""
        config, scale = self.parts.transformer.config, self.parts.vae.config.scale_factor_spatial
        frames = (self.case.frames - 1) // FRAME_STEP + 1
        shape = (batch, config.in_channels, frames, self.case.height // scale, self.case.width // scale)
        return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self.device)

    def embeddings(self) -> Tensor:
        """(1, text tokens, text width), in the text encoder's dtype."""
        prompts = Prompts(self.parts.tokenizer, self.parts.text_encoder, tokens=self.profile.text_tokens)
        return prompts.embed(["a red kettle"], self.device, lambda: self.device)

    def ours(self, **changes: Any) -> Ours:
        """The engine, warm, with another layout or step cache."""
        case = replace(self.case, batch=changes.pop("batch", 1))
        used = used_profile(self.profile, case)
        fields = used.model_dump()
        fields["layout"] |= changes.pop("layout", {})
        side = Ours(self.parts, Profile.model_validate(fields | changes), self.device, decoding=self.decoding())
        side.warm(case.frames)
        return side

    def decoding(self, **changes: Any) -> DecodeOptions:
        """Plain decoding, or with these switches."""
        return replace(DecodeOptions(), **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One switch. ``name`` is what is on; ``beside`` what it is compared with."""

    name: str
    beside: str
    predicted: Predicted
    pair: Callable[[Ground], Pair]
    memory: float | None = None
    """Predicted peak of memory, on over off: looked at on CUDA alone, for on a CPU the C library's allocator keeps what
    it has once had, and in one process nothing can be told apart."""
    many_steps: bool = False
    """Of use with many steps alone: tried on a profile that takes them."""
    needs: Callable[[Ground], str] = lambda _: ""
    """Why it cannot be tried on a ground; empty where it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What was found of one switch, seconds as the switch's pair takes."""

    switch: Switch
    off: Series
    on: Series
    ratio: Series
    """On over off, round by round."""
    memory: tuple[float, float] | None = None
    """Peak bytes, off and on, where both were seen."""
    gpu: bool = False

    @property
    def predicted(self) -> float:
        """For this kind of device."""
        return self.switch.predicted.gpu if self.gpu else self.switch.predicted.cpu

    def facts(self) -> dict[str, Any]:
        """For a line of JSON."""
        told: dict[str, Any] = {
            "switch": self.switch.name,
            "beside": self.switch.beside,
            "off_ms": short(1000 * self.off.p50),
            "on_ms": short(1000 * self.on.p50),
            "ratio": {"p50": short(self.ratio.p50), "spread": short(self.ratio.spread)},
            "predicted": self.predicted,
            "source": self.switch.predicted.source,
        }
        if self.memory:
            told["memory_bytes"] = {"off": self.memory[0], "on": self.memory[1], "predicted": self.switch.memory}
        return told


@torch.inference_mode()
def gain(switch: Switch, ground: Ground) -> Gain:
    """Try one switch: a turn of each to warm up, then in turn. Raises what the device raises."""
    pair = switch.pair(ground)
    try:
        return _measured(switch, ground, pair)
    finally:
        pair.done()


def _measured(switch: Switch, ground: Ground, pair: Pair) -> Gain:
    ways = {"off": pair.off, "on": pair.on}
    peaks = {name: _taken(way, ground.device)[1] for name, way in ways.items()}
    taken: dict[str, list[float]] = {"off": [], "on": []}
    start = time.monotonic()
    for number in range(ground.rounds):
        for name in ways if number % 2 == 0 else reversed(ways):
            spent, _ = _taken(ways[name], ground.device)
            taken[name].append(spent.cpu if ground.device.type == "cpu" and not pair.wall else spent.wall)
        if time.monotonic() - start > PATIENCE:
            break
    ratios = [on / off for off, on in zip(taken["off"], taken["on"], strict=True) if off > 0]
    memory = (peaks["off"], peaks["on"]) if switch.memory and ground.device.type == "cuda" else None
    return Gain(
        switch=switch,
        off=Series.of(taken["off"]),
        on=Series.of(taken["on"]),
        ratio=Series.of(ratios or [1.0]),
        memory=memory,
        gpu=ground.device.type == "cuda",
    )


def _taken(way: Callable[[], Any], device: torch.device) -> tuple[Spent, float]:
    """Its time, and the most memory above what was there before."""
    before = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
    peak, watch = Peak(device), Stopwatch(device)
    made = way()
    spent, held = watch.stop(), peak.bytes()
    del made
    return spent, held.get("allocated_bytes", 0.0) - before


def gains(
    switches: Iterable[Switch], ground: Ground, passed: Callable[[], bool], left_out: dict[str, str]
) -> Iterator[Gain]:
    """Every switch that can be tried, as it is done; the others are named in ``left_out``."""
    for switch in switches:
        name = f"switch: {switch.name}"
        if why := TIME_UP if passed() else switch.needs(ground):
            left_out[name] = why
            continue
        found = None
        try:
            found = gain(switch, ground)
        except OUT_OF_MEMORY:
            left_out[name] = "out of memory"
        except EngineError as error:
            left_out[name] = str(error)
        if found is None:
            free_cache(ground.device)
        else:
            yield found
