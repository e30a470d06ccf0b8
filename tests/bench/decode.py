"""The full-size video decoder with random weights, beside diffusers' own: time, memory and the same pictures.

`python -m tests.bench.decode [--quick] [--json-only] [--rounds N]`. Each side runs in a process of its own, in turn, on
the same weights and latents. Needs the ``gpu`` extra, no download and no GPU.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from diffusers import AutoencoderKLWan
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from model.wan.decode import CELL, StreamDecoder
from tests.bench import machine
from tests.bench.live import Live

REAL: dict[str, Any] = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_scales": [],
    "temperal_downsample": [False, True, True],
    "dropout": 0.0,
    "latents_mean": [0.0] * 48,
    "latents_std": [1.0] * 48,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "scale_factor_temporal": 4,
}
"""The published configuration of the TI2V-5B autoencoder; the statistics of the latents do not matter here."""
AIMS = {"time": 1.05, "memory": 0.5, "counted": 0.5}
"""Ours over stock, at most."""
SIDES = ("stock", "ours")
TOLERANCE = 1e-5
"""Largest difference of a value in [-1, 1] before the two sides count as doing different work."""
METHOD = (
    "One clip through AutoencoderKLWan.decode and StreamDecoder.decode, each in a fresh process, in turn, two threads; "
    "figures are medians, ratios are ours over stock. Time and CPU: of the decode alone. Memory: the most that was "
    "resident while decoding, above what was resident just before, weights loaded; the kernels that ours folds when it "
    "is made are weights too, and are told apart. Counted: bytes of live tensors, operation by operation, at sizes in "
    "use, on the meta device."
)


class Shape(NamedTuple):
    """A clip, in latent frames and cells."""

    frames: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.width * CELL}×{self.height * CELL}, {4 * (self.frames - 1) + 1} frames"

    def latents(self, device: str = "cpu") -> Tensor:
        """Seeded noise, (1, 48, frames, height, width)."""
        if device == "meta":
            return torch.empty((1, 48, *self), device=device)
        return torch.randn((1, 48, *self), generator=torch.Generator().manual_seed(7))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run."""

    width: int
    """Channels of the last block; 256 is full size."""
    clip: Shape
    counted: tuple[Shape, ...]
    rounds: int


FULL = Plan(width=256, clip=Shape(3, 10, 16), counted=(Shape(19, 30, 52), Shape(31, 44, 80)), rounds=2)
WARM_UP = Shape(2, 2, 2)
"""Decoded before the clock starts: libraries set themselves up at the first call."""
QUICK = Plan(width=32, clip=Shape(2, 4, 4), counted=(Shape(2, 6, 8),), rounds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one run of one side took."""

    seconds: float
    cpu_seconds: float
    mib: float
    held_mib: float
    """What the side holds for good besides the autoencoder's weights."""


def build(width: int, device: str = "cpu") -> Any:
    """The autoencoder with a decoder of random weights, always the same; its encoder stays on the meta device."""
    with torch.device("meta"):
        vae = AutoencoderKLWan(**(REAL | {"decoder_base_dim": width})).eval()
    if device == "meta":
        return vae
    torch.manual_seed(11)
    for part in (vae.decoder, vae.post_quant_conv):
        part.to_empty(device=device)
        for module in part.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                module.reset_parameters()
            elif hasattr(module, "gamma"):
                nn.init.ones_(module.gamma)
    return vae


def decoded(vae: Any, ours: StreamDecoder | None, latents: Tensor) -> Iterator[Tensor]:
    """The clip in chunks: ours, or where there is none, stock's one and only."""
    if ours is not None:
        yield from ours.decode(latents)
        return
    with torch.no_grad():
        clip = vae.decode(latents).sample
    yield clip[0].transpose(0, 1)


def take(side: str, plan: Plan, frames: Path) -> Taken:
    """Run one side in this process. The first leaves its frames, the others compare theirs. Raises ValueError."""
    torch.set_num_threads(2)
    vae, latents = build(plan.width), plan.clip.latents()
    ours = StreamDecoder(vae) if side == "ours" else None
    held = folded_bytes(ours, vae) / 2**20 if ours else 0.0
    for _ in decoded(vae, ours, WARM_UP.latents()):
        pass
    gc.collect()
    # Sets the mark of the most that was ever resident back to what is resident now.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, cpu, clock = machine.peak_mib(), _cpu(), time.perf_counter()
    chunks = list(decoded(vae, ours, latents))
    seconds, cpu = time.perf_counter() - clock, _cpu() - cpu
    peak = machine.peak_mib() - before
    check_same(torch.cat(chunks), frames)
    return Taken(seconds=seconds, cpu_seconds=cpu, mib=peak, held_mib=held)


def folded_bytes(ours: StreamDecoder, vae: Any) -> int:
    """What a decoder holds for good that is not the autoencoder's own."""
    theirs = {each.untyped_storage()._cdata for each in vae.parameters()}
    leaves = [leaf for leaf in tree_leaves(ours._weights) if isinstance(leaf, Tensor)]
    mine = {each.untyped_storage()._cdata: each.untyped_storage().nbytes() for each in leaves}
    return sum(size for storage, size in mine.items() if storage not in theirs)


def check_same(clip: Tensor, frames: Path) -> None:
    """The same pictures as in the file, or the file made. Raises ValueError."""
    if not frames.exists():
        save_file({"clip": clip.contiguous()}, frames)
        return
    apart = (clip - load_file(frames)["clip"]).abs().max().item()
    if not apart <= TOLERANCE:
        raise ValueError(f"frames differ by {apart}: the sides do not do the same work")


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def counted(width: int, shape: Shape) -> dict[str, int]:
    """Most bytes of live tensors on each side."""
    latents = shape.latents("meta")
    peaks = {}
    for side in SIDES:
        vae = build(width, "meta")
        ours = StreamDecoder(vae) if side == "ours" else None
        with Live() as live:
            for _ in decoded(vae, ours, latents):
                pass
        peaks[side] = live.peak
    return peaks


def measure(plan: Plan, *, quick: bool) -> dict[str, list[Taken]]:
    """Both sides in turn: stock, ours, ours, stock, …"""
    taken: dict[str, list[Taken]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(plan.rounds):
            for side in SIDES if turn % 2 == 0 else SIDES[::-1]:
                command = [sys.executable, "-m", "tests.bench.decode", "--side", side, f"{folder}/frames.safetensors"]
                run = subprocess.run([*command, *(["--quick"] if quick else [])], stdout=subprocess.PIPE, check=True)
                taken[side].append(Taken(**json.loads(run.stdout)))
    return taken


def report(
    plan: Plan, taken: Mapping[str, Sequence[Taken]], sizes: Mapping[Shape, Mapping[str, int]]
) -> dict[str, Any]:
    """Everything that was found, as the JSON line carries it."""
    figures: dict[str, dict[str, Any]] = {
        name: {side: round(median(getattr(each, key) for each in taken[side]), 2) for side in SIDES}
        for name, key in (("time, s", "seconds"), ("CPU, s", "cpu_seconds"), ("memory, MiB", "mib"))
    }
    figures |= {
        f"counted at {shape}, MiB": {side: round(peak / 2**20, 1) for side, peak in peaks.items()}
        for shape, peaks in sizes.items()
    }
    ratios = {name: round(each["ours"] / each["stock"], 3) for name, each in figures.items()}
    aims = {name: AIMS[name.split(",")[0].split(" ")[0]] for name in ratios if name != "CPU, s"}
    return {
        "bench": "decode",
        **machine.describe(),
        "libraries": {name: version(name) for name in ("torch", "diffusers")},
        "method": METHOD,
        "facts": {
            "clip": str(plan.clip),
            "width": plan.width,
            "rounds": plan.rounds,
            "folded_kernels_mib": round(taken["ours"][0].held_mib, 1),
        },
        "figures": figures,
        "runs": {side: [asdict(each) for each in taken[side]] for side in SIDES},
        "ratios": ratios,
        "aims": aims,
        "met": {name: ratios[name] <= aim for name, aim in aims.items()},
    }


def show(found: Mapping[str, Any], console: Console) -> None:
    """The report for people."""
    table = Table(caption=f"folded kernels: {found['facts']['folded_kernels_mib']} MiB besides")
    for heading in ("what", *SIDES, "ratio", "aim"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for name, each in found["figures"].items():
        aim = found["aims"].get(name)
        style = "" if aim is None else "green" if found["met"][name] else "red"
        ratio = Text(f"{found['ratios'][name]:.3f}", style=style)
        table.add_row(name, *(f"{each[side]:,.1f}" for side in SIDES), ratio, "" if aim is None else f"≤ {aim}")
    console.rule(f"[bold]decode, {found['facts']['clip']}")
    console.print(Group(Text(found["method"]), table))


def main(arguments: Sequence[str] | None = None) -> int:
    """Gives 0 when it ran: a missed aim is a finding, not a failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.decode", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="narrow and short: that it runs, not how fast")
    parser.add_argument("--json-only", action="store_true", help="the JSON line alone")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each side")
    parser.add_argument("--side", nargs=2, metavar=("SIDE", "FRAMES"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    plan = QUICK if chosen.quick else FULL
    if chosen.side:
        print(json.dumps(asdict(take(chosen.side[0], plan, Path(chosen.side[1])))))
        return 0
    plan = replace(plan, rounds=chosen.rounds or plan.rounds)
    taken = measure(plan, quick=chosen.quick)
    found = report(plan, taken, {shape: counted(plan.width, shape) for shape in plan.counted})
    if not chosen.json_only:
        console = Console()
        show(found, console if console.is_terminal else Console(width=140))
    print(json.dumps(found, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
