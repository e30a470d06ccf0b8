"""Measures the engine beside stock diffusers: cases, rounds in turn, a time limit. Gives rows; prints nothing.

Both sides work on the very same loaded modules, with the same words, seeds and photos, one after the other in every
round and in the opposite order in every other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch

from model.engine import EngineError
from model.recipe import Mode
from model.wan import flops
from model.wan.checkpoint import Checkpoint
from model.wan.decode import DecodeOptions
from model.wan.load import Parts, load_parts
from model.wan.measure_figures import Case, Row, Side, Turn
from model.wan.measure_full import full_size
from model.wan.measure_gains import TIME_UP, Gain, Ground, gains
from model.wan.measure_sides import Ours, Stock, shots_of, used_profile
from model.wan.measure_switches import SWITCHES
from model.wan.opening import compiles, half_decoding, plain_decoding
from model.wan.profile import FRAME_STEP, GRID, Profile
from model.wan.runtime import OUT_OF_MEMORY, free_cache
from model.wan.timing import copy_ceiling, matrix_ceiling

PATIENCE = 90.0
"""Seconds a case may go on with further rounds: slow ones get along with one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured."""

    profiles: tuple[Profile, ...]
    sizes: tuple[tuple[int, int], ...]
    frames: tuple[int, ...]
    batches: tuple[int, ...]
    modes: tuple[Mode, ...]
    rounds: int
    stock: bool = True
    compile: bool | None = None
    """None: as the profile says on a GPU, and never on a CPU."""

    def cases(self) -> list[Case]:
        """All of them; small batches and short clips of every profile first, so that a cut-off run still says most."""
        return [
            Case(profile=profile.name, mode=mode, width=width, height=height, frames=frames, batch=batch)
            for batch in self.batches
            for frames in self.frames
            for width, height in self.sizes
            for profile in self.profiles
            for mode in self.modes
            if mode in profile.modes
        ]

    def shortened(self, *, frames: bool, sizes: bool, batches: bool) -> Plan:
        """Only the first of those that are named."""
        return replace(
            self,
            frames=self.frames[:1] if frames else self.frames,
            sizes=self.sizes[:1] if sizes else self.sizes,
            batches=self.batches[:1] if batches else self.batches,
        )


class Source(Protocol):
    """Where the modules come from."""

    @property
    def random(self) -> bool:
        """Random weights: pictures mean nothing."""
        ...

    def parts(self, profile: Profile, device: torch.device) -> Parts:
        """Loaded for a profile. Raises EngineError or torch.OutOfMemoryError."""
        ...


@dataclass(frozen=True, slots=True)
class FromCheckpoint:
    """A sealed folder."""

    checkpoint: Checkpoint
    random: bool = False

    def parts(self, profile: Profile, device: torch.device) -> Parts:  # noqa: ARG002 - they come to the host
        """See Source."""
        return load_parts(self.checkpoint, profile, lambda _: None)


@dataclass(frozen=True, slots=True)
class FullSize:
    """The real architecture with random weights."""

    changes: Mapping[Any, Mapping[str, Any]] | None = None
    random: bool = True

    def parts(self, profile: Profile, device: torch.device) -> Parts:
        """See Source."""
        return full_size(device, getattr(torch, profile.dtype), self.changes)


class Deadline:
    """A time limit."""

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end = clock, None if seconds is None else clock() + seconds

    @property
    def passed(self) -> bool:
        """True once the time is up."""
        return self._end is not None and self._clock() >= self._end


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What the device can do at best."""

    flops: Mapping[str, float]
    """FLOP a second of a matrix product, by dtype."""
    copy: float
    """Bytes a second, read and written both counted."""


@dataclass(slots=True)
class _Taking:
    """One side of a case while its rounds run."""

    work: Callable[[int], Turn] | None = None
    """Renders the batch of a turn; None until it is set up."""
    turns: list[Turn] = field(default_factory=list)
    failed: str = ""


class Bench:
    """One device and one source of modules. Not thread-safe."""

    def __init__(self, source: Source, device: torch.device, deadline: Deadline) -> None:
        self.device, self.deadline = device, deadline
        self.left_out: dict[str, str] = {}
        """What was not measured, and why."""
        self._source = source
        self._loaded: tuple[tuple[Any, ...], Parts] | None = None
        self._ceilings: dict[str, float] = {}
        self._decodings: dict[tuple[str, bool], tuple[DecodeOptions, str]] = {}
        self._turn = 0

    def ceilings(self, plan: Plan) -> Ceilings:
        """Measured first, for everything else is held against them."""
        for profile in plan.profiles:
            if profile.dtype not in self._ceilings:
                self._ceilings[profile.dtype] = matrix_ceiling(self.device, getattr(torch, profile.dtype))
        return Ceilings(flops=dict(self._ceilings), copy=copy_ceiling(self.device))

    def rows(self, plan: Plan) -> Iterator[Row]:
        """A row as soon as a case is done. What is left out when time is up is named in ``left_out``."""
        profiles = {profile.name: profile for profile in plan.profiles}
        for case in plan.cases():
            if self.deadline.passed:
                self.left_out[str(case)] = TIME_UP
                continue
            try:
                yield self._row(case, profiles[case.profile], plan)
            except EngineError as error:
                self.left_out[str(case)] = str(error)
            except OUT_OF_MEMORY:
                self.left_out[str(case)] = "out of memory in loading the modules"

    def gains(self, plan: Plan) -> Iterator[Gain]:
        """What each switch brings, on the first case of the plan; the step cache's on a profile of many steps."""
        profiles = {profile.name: profile for profile in plan.profiles}
        case = plan.cases()[0]
        profile = profiles[case.profile]
        ground = Ground(
            parts=self.parts(profile),
            profile=profile,
            case=replace(case, batch=1, mode="text" if "text" in profile.modes else case.mode),
            device=self.device,
            rounds=plan.rounds,
            compile=bool(plan.compile),
        )
        for many_steps in (False, True):
            switches = [switch for switch in SWITCHES if switch.many_steps == many_steps]
            chosen = next((each for each in plan.profiles if each.sampler == "unipc"), None) if many_steps else profile
            if chosen is None:
                why = "none of the profiles takes many steps"
                self.left_out |= {f"switch: {switch.name}": why for switch in switches}
                continue
            there = replace(ground, profile=chosen, parts=self.parts(chosen))
            yield from gains(switches, there, lambda: self.deadline.passed, self.left_out)

    def parts(self, profile: Profile) -> Parts:
        """The modules for a profile, loaded once for all that can share them. Raises as Source.parts does."""
        key = (profile.dtype, profile.sampler if not self._source.random else "", profile.adapters)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None  # before others are loaded: both would not fit
            free_cache(self.device)
            self._loaded = key, self._source.parts(profile, self.device)
        return self._loaded[1]

    def decoding(self, profile: Profile, *, compiled: bool = False) -> tuple[DecodeOptions, str]:
        """How the engine decodes under a profile, and what is to be said of it.

        bfloat16 has to pass the engine's own check, save with random weights, which make no pictures to spoil.
        """
        if (profile.name, compiled) not in self._decodings:
            self._decodings[profile.name, compiled] = self._chosen_decoding(profile, compiled)
        return self._decodings[profile.name, compiled]

    def _chosen_decoding(self, profile: Profile, compiled: bool) -> tuple[DecodeOptions, str]:
        wanted, plain = profile.decode, plain_decoding(profile.layout, compiled=compiled)
        if wanted.dtype == "float32":
            return plain, ""
        half, found = half_decoding(self.parts(profile).vae.to(self.device), plain)
        told = f"decoded in bfloat16: {found:.1f} dB beside float32"
        if found >= wanted.parity_db or self._source.random:
            return half, told
        return plain, f"decoded in float32: bfloat16 has {found:.1f} dB beside it"

    def compiled(self, profile: Profile, wanted: bool | None) -> bool:
        """Whether to compile."""
        return compiles(wanted, profile, self.device)

    def _check(self, case: Case, used: Profile) -> None:
        """Stock would fail far inside with a clip beyond the model's positions. Raises EngineError."""
        limit = self.parts(used).transformer.config.rope_max_seq_len
        latent_frames = (case.frames - 1) // FRAME_STEP + 1
        if max(case.width // GRID, case.height // GRID, latent_frames) > limit:
            raise EngineError(f"wan: the transformer's positions end at {limit} patches a side", retryable=False)

    def _row(self, case: Case, profile: Profile, plan: Plan) -> Row:
        used = used_profile(profile, case)
        self._check(case, used)
        told: list[str] = []
        ours, stock = _Taking(), _Taking()
        runtimes: list[Ours] = []
        self._try(ours, lambda: runtimes.append(self._opened(case, used, plan, ours, told)))
        if plan.stock:
            self._try(stock, lambda: self._opened_stock(case, used, stock))
        self._rounds([ours, stock] if plan.stock else [ours], plan.rounds)
        for runtime in runtimes:
            told += runtime.notes
            runtime.close()
        free_cache(self.device)
        config = self.parts(profile).transformer.config
        times = 2 if case.mode == "image" else 1
        forward = flops.transformer_flops(
            config, case.frames, case.height, case.width, text_tokens=used.text_tokens, timesteps=times
        )
        return Row(
            case=case,
            ours=Side(turns=tuple(ours.turns), failed=ours.failed, notes=tuple(told)),
            stock=Side(turns=tuple(stock.turns), failed=stock.failed) if plan.stock else None,
            flops=forward * used.steps * (2 if used.guided else 1),
            ceiling=self._ceilings.get(profile.dtype, 0.0),
            cpu=self.device.type == "cpu",
        )

    def _opened(self, case: Case, used: Profile, plan: Plan, taking: _Taking, told: list[str]) -> Ours:
        compiled = self.compiled(used, plan.compile)
        decoding, note = self.decoding(used, compiled=compiled)
        told += [note] if note else []
        side = Ours(self.parts(used), used, self.device, decoding=decoding, compiled=compiled)
        side.warm(case.frames)
        taking.work = lambda turn: side.run(shots_of(case, used, turn))
        return side

    def _opened_stock(self, case: Case, used: Profile, taking: _Taking) -> None:
        side = Stock(self.parts(used), used, self.device)
        side.warm(shots_of(case, used, 0))
        taking.work = lambda turn: side.run(shots_of(case, used, turn))

    def _rounds(self, sides: list[_Taking], rounds: int) -> None:
        start = time.monotonic()
        for number in range(rounds):
            self._turn += 1
            for side in sides if number % 2 == 0 else reversed(sides):
                if side.work is not None and not side.failed:
                    self._try(side, lambda side=side, work=side.work: side.turns.append(work(self._turn)))  # type: ignore[misc]
            if self.deadline.passed or time.monotonic() - start > PATIENCE:
                return

    def _try(self, side: _Taking, work: Callable[[], object]) -> None:
        """Do it; memory that runs out is a finding, not the end."""
        try:
            work()
        except OUT_OF_MEMORY as error:
            side.failed = f"out of memory: {next(iter(str(error).splitlines()), '') or type(error).__name__}"
        if side.failed:
            free_cache(self.device)  # not where it is caught: an exception in the air holds its tensors
