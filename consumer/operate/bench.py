"""``skureel bench engine``: what is to be measured, and the rows for people and machines. Measures nothing itself.

Rows are printed as they are found, so a run that is cut off leaves what it had; the line of JSON comes at the end, also
after Ctrl-C or the time limit.
"""

from __future__ import annotations

import json as jsonlib
import os
import platform
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console

from consumer.operate.bench_table import WIDTH, Screen
from model.recipe import Mode
from model.wan.profile import FRAME_STEP, GRID, Profile, ProfileError, load

if TYPE_CHECKING:
    import torch

    from model.wan.measure import Bench, Ceilings, Plan, Source
    from model.wan.measure_figures import Row
    from model.wan.measure_gains import Gain
    from model.wan.measure_published import Beside

INSTALL = "pip install 'skureel[gpu]'"
AIMS = {"outside": 0.10, "decode": 0.5, "mfu": 0.6}
"""Ours over stock outside the models and in decoding, at most; share of the ceiling in denoising, at least."""
TINY, REPEATED = "cpu-tiny", 30
"""The laptop's profile; and the steps it is measured with once more, as many as the quality profile takes."""
LONGEST = 4096
"""Pixels a side that a profile may have."""
AFFORDABLE = 600.0
"""Seconds of a full-size run that a CPU is allowed to begin."""


class BenchError(Exception):
    """Raised when nothing could be measured; the message says why and what to do."""


class UsageError(BenchError):
    """Raised when what was asked for cannot be."""


class UnavailableError(BenchError):
    """Raised when something it needs is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for on the command line; empty: as fits the device."""

    checkpoint: Path | None = None
    full_size: bool = False
    profiles: Sequence[str] = ()
    sizes: Sequence[str] = ()
    frames: Sequence[int] = ()
    batches: Sequence[int] = ()
    modes: Sequence[str] = ()
    rounds: int | None = None
    steps: int | None = None
    minutes: float | None = None
    device: str = "auto"
    stock: bool = True
    switches: bool = True
    compile: bool | None = None
    quick: bool = False


def profiles_of(wanted: Wanted) -> tuple[Profile, ...]:
    """The profiles to measure. Raises UsageError."""
    names = list(wanted.profiles) or (["fast", "quality"] if wanted.full_size else [TINY])
    try:
        found = [load(name) for name in dict.fromkeys(names)]
    except ProfileError as error:
        raise UsageError(f"--profile: {error}") from error
    if wanted.steps is not None:
        if all(profile.sampler != "unipc" for profile in found):
            raise UsageError(
                "--steps: a distilled checkpoint's steps are its own; only unipc profiles take another number"
            )
        found = [
            profile.model_copy(update={"steps": wanted.steps}) if profile.sampler == "unipc" else profile
            for profile in found
        ]
    elif not (wanted.profiles or wanted.full_size or wanted.checkpoint or wanted.quick):
        found.append(found[0].model_copy(update={"name": f"{TINY}-{REPEATED}", "steps": REPEATED}))
    return tuple(found)


def sizes_of(wanted: Wanted, profiles: Sequence[Profile]) -> tuple[tuple[int, int], ...]:
    """The render sizes. Raises UsageError."""
    if not wanted.sizes:
        if wanted.full_size:
            return ((832, 480), (1280, 704))
        return tuple(dict.fromkeys(profile.buckets[0].render for profile in profiles))
    sizes = []
    for text in wanted.sizes:
        match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
        if match is None:
            raise UsageError(f"--size {text}: want WIDTHxHEIGHT, e.g. 832x480")
        width, height = int(match[1]), int(match[2])
        if any(side % GRID or not GRID <= side <= LONGEST for side in (width, height)):
            raise UsageError(f"--size {text}: sides are multiples of {GRID}, {GRID} to {LONGEST}")
        sizes.append((width, height))
    return tuple(dict.fromkeys(sizes))


def plan_of(wanted: Wanted, *, gpu: bool) -> Plan:
    """Everything that is to be measured on such a device. Raises UsageError."""
    from model.wan.measure import Plan  # noqa: PLC0415 - torch, diffusers and transformers are an extra

    profiles = profiles_of(wanted)
    for frames in wanted.frames:
        if frames < 1 or frames % FRAME_STEP != 1:
            raise UsageError(f"--frames {frames}: a multiple of {FRAME_STEP} and one more")
    for mode in wanted.modes:
        if mode not in {"text", "image"}:
            raise UsageError(f"--mode {mode}: text or image")
    plan = Plan(
        profiles=profiles,
        sizes=sizes_of(wanted, profiles),
        frames=tuple(wanted.frames) or ((73, 121) if gpu else (9,)),
        batches=tuple(wanted.batches) or ((1, 2, 3, 4) if gpu else (1, 2)),
        modes=cast("tuple[Mode, ...]", tuple(dict.fromkeys(wanted.modes)) or ("text", "image")),
        rounds=wanted.rounds or (2 if wanted.quick else 3 if gpu else 5),
        stock=wanted.stock,
        compile=wanted.compile,
    )
    if wanted.quick:
        plan = plan.shortened(frames=not wanted.frames, sizes=not wanted.sizes, batches=not wanted.batches)
    if not plan.cases():
        raise UsageError(f"--mode {' '.join(plan.modes)}: none of the profiles has it: {_names(profiles)}")
    return plan


def _names(profiles: Sequence[Profile]) -> str:
    return ", ".join(profile.name for profile in profiles)


# The run.


@dataclass(slots=True)
class _Found:
    """What a run has so far."""

    facts: dict[str, Any]
    ceilings: Ceilings | None = None
    rows: list[Row] = field(default_factory=list)
    gains: list[Gain] = field(default_factory=list)
    published: list[Beside] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    stopped: bool = False
    cut: bool = False
    """The time was up before all was done."""

    def line(self) -> str:
        """All of it as one line of JSON."""
        ceilings = self.ceilings
        return jsonlib.dumps(
            {
                "bench": "engine",
                **self.facts,
                "partial": self.stopped or self.cut,
                "ceilings": {"flops": dict(ceilings.flops), "copy_bytes": ceilings.copy} if ceilings else None,
                "rows": [row.facts() for row in self.rows],
                "switches": [gain.facts() for gain in self.gains],
                "published": [each.facts() for each in self.published],
                "aims": AIMS,
                "left_out": self.left_out,
            },
            ensure_ascii=False,
        )


def run(wanted: Wanted, *, json: bool) -> bool:
    """The command: rows as they come, JSON at the end. False when it was stopped by Ctrl-C. Raises BenchError."""
    profiles_of(wanted)  # what is wrong with the arguments is told before anything is imported
    try:
        from model.wan import measure, opening  # noqa: PLC0415 - torch, diffusers and transformers are an extra
    except ImportError as error:
        raise UnavailableError(f"measuring the engine needs {error.name or 'torch'}: {INSTALL}") from error
    from model.engine import EngineError  # noqa: PLC0415 - beside the others

    try:
        device = opening.choose_device(wanted.device)
    except EngineError as error:
        raise UsageError(str(error)) from error
    plan = plan_of(wanted, gpu=device.type == "cuda")
    # With --json nothing but the one line goes to standard output.
    screen = Screen(Console(stderr=json, width=WIDTH, highlight=False), cpu=device.type == "cpu")
    found = _Found(facts=_facts(wanted, plan, device))
    with ExitStack() as stack:
        source = stack.enter_context(_source(wanted, plan, device))
        if wanted.checkpoint is None and device.type == "cpu":
            stack.enter_context(_one_thread())
        found.facts["threads"] = _threads()
        bench = measure.Bench(source, device, measure.Deadline(wanted.minutes and 60 * wanted.minutes))
        screen.begin(found.facts)
        try:
            _measure(bench, plan, wanted, screen, found)
        except KeyboardInterrupt:
            found.stopped = True
        found.left_out, found.cut = bench.left_out, bench.deadline.passed
    screen.end(found.left_out, stopped=found.stopped)
    if json:
        print(found.line(), flush=True)
    return not found.stopped


def _measure(bench: Bench, plan: Plan, wanted: Wanted, screen: Screen, found: _Found) -> None:
    from model.wan.measure_published import beside  # noqa: PLC0415 - see run

    found.ceilings = bench.ceilings(plan)
    screen.ceilings(found.ceilings)
    for row in bench.rows(plan):
        found.rows.append(row)
        screen.row(row)
    if bench.device.type == "cuda":
        steps = {profile.name: profile.steps for profile in plan.profiles}
        found.published = beside(found.rows, steps, found.facts["device"])
        screen.published(found.published)
    if wanted.switches:
        for gain in bench.gains(plan):
            found.gains.append(gain)
            screen.gain(gain)


@contextmanager
def _source(wanted: Wanted, plan: Plan, device: torch.device) -> Iterator[Source]:
    """Where the modules come from. Raises BenchError."""
    from model.wan import measure  # noqa: PLC0415 - see run
    from model.wan.checkpoint import CheckpointError, check_components, open_checkpoint  # noqa: PLC0415
    from model.wan.tiny import make_tiny  # noqa: PLC0415

    if wanted.full_size:
        if wanted.checkpoint:
            raise UsageError("--full-size has random weights and takes no --checkpoint")
        if device.type == "cpu":
            _affordable(plan)
        yield measure.FullSize()
    elif wanted.checkpoint:
        try:
            checkpoint = open_checkpoint(wanted.checkpoint)
            check_components(checkpoint)
        except CheckpointError as error:
            raise UsageError(f"--checkpoint: {error}") from error
        yield measure.FromCheckpoint(checkpoint)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield measure.FromCheckpoint(make_tiny(Path(folder) / "tiny"))


def _affordable(plan: Plan) -> None:
    """Raises UsageError where a full-size run on this CPU is out of the question."""
    import torch  # noqa: PLC0415 - see run

    from model.wan.measure_full import cost  # noqa: PLC0415
    from model.wan.memory import GIB, free_bytes  # noqa: PLC0415
    from model.wan.timing import matrix_ceiling  # noqa: PLC0415

    cpu, profiles = torch.device("cpu"), {profile.name: profile for profile in plan.profiles}
    ceiling = matrix_ceiling(cpu, getattr(torch, plan.profiles[0].dtype))
    needed = cost(plan.cases(), profiles, turns=plan.rounds * (2 if plan.stock else 1), ceiling=ceiling)
    free = free_bytes(cpu)
    if needed.bytes > free or needed.seconds > AFFORDABLE:
        raise UsageError(
            f"--full-size on a CPU: it would take {needed}; {free / GIB:.1f} GiB are free. Run it on a GPU, or ask for "
            "less, e.g. --profile quality --size 64x64 --frames 5 --batch 1 --steps 1 --rounds 1"
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Tiny matrices gain nothing from threads, and waiting threads would be counted as work."""
    import torch  # noqa: PLC0415 - see run

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _threads() -> int:
    import torch  # noqa: PLC0415 - see run

    return torch.get_num_threads()


def _facts(wanted: Wanted, plan: Plan, device: torch.device) -> dict[str, Any]:
    """What else is needed to repeat the run, and to judge it."""
    import torch  # noqa: PLC0415 - see run

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    weights = "the real 5B, random" if wanted.full_size else str(wanted.checkpoint or "the tiny checkpoint")
    return {
        "device": name,
        "kind": device.type,
        "weights": weights,
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "versions": {
            **{each: version(each) for each in ("torch", "diffusers", "transformers")},
            "cuda": torch.version.cuda if device.type == "cuda" else None,
        },
        "profiles": {profile.name: {"steps": profile.steps, "guidance": profile.guidance} for profile in plan.profiles},
        "rounds": plan.rounds,
    }


def _processor() -> str:
    """The processor's name as Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
