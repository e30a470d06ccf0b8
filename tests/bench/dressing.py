"""What a change of a promotion costs: splice and dress beside encoding the whole clip again.

`python -m tests.bench.dressing [--quick] [--json-only] [--rounds N]`. CPU time of this process, every depth of work in
turn, at 480p; the files that are compared show the same pictures. Needs no GPU, broker or store.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from model.dress import dress
from model.encode import decode, encode, encode_base
from model.endcard import encode_segment, pictures, segment_of
from model.engine import Frames
from model.finish import dress_body, finish, finish_body
from model.inspect import inspect_file
from model.label import tags_for
from model.recipe import Dressing, EndCard, Overlays, Recipe, Ribbon, Scene
from tests.bench import machine
from tests.credentials import credentials, signer
from tests.unit.model_clip.samples import PRODUCER, pan, storyboard

AIM_MS = 15.0
"""CPU milliseconds of a splice at 832×480, 3 s."""
METHOD = (
    "CPU milliseconds of one thread for one clip of 832×480, 3 s and an end card of 1.5 s, from bytes to bytes: labels "
    "written and read back. 'splice' joins a stored body and a card that another clip of the promotion had before; "
    "'re-encode' takes the stored base and puts body and card through one encoder, which is what splicing saves."
)
COPY, BODY, WHOLE = "splice", "dress", "re-encode"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One base and what a promotion makes of it."""

    name: str
    base: bytes
    recipe: Recipe

    @property
    def size(self) -> tuple[int, int]:
        overlays = self.recipe.dressing.overlays
        return overlays.width, overlays.height


def clips(*, quick: bool) -> list[Clip]:
    """A moving photo, as a generated clip is to an encoder, and a storyboard, which moves little."""
    width, height, frames = (160, 120, 48) if quick else (832, 480, 72)
    captions = ("不锈钢保温杯", "保温 24 小时", "一键开盖")
    shown = {"photo": pan(frames, height, width, step=2), "storyboard": storyboard(captions, width, height, frames)}
    return [_clip(name, picture) for name, picture in shown.items()]


def _clip(name: str, frames: Frames) -> Clip:
    count, height, width, _ = frames.shape
    scene = Scene(
        mode="text",
        prompt="a bench",
        seed=1,
        width=width,
        height=height,
        frames=count,
        fps=24,
        engine="bench",
        engine_revision="1",
    )
    overlays = Overlays(
        width=width,
        height=height,
        label="AI生成",
        ribbon=Ribbon(text="618大促 满300减50", locale="zh-CN", colour="#e11d48"),
    )
    card = EndCard(headline="双十一 全场五折", subline="今晚八点开抢", locale="zh-CN", colour="#0f766e")
    dressing = Dressing(overlays=overlays, end_card=card, producer=PRODUCER)
    return Clip(name=name, base=encode_base(frames, 24), recipe=Recipe(scene=scene, dressing=dressing))


def depths(clip: Clip) -> dict[str, Callable[[], object]]:
    """Every depth of work on the clip, and its parts."""
    made, body = clip.recipe, dress_body(clip.base, clip.recipe)
    segment = segment_of(made)
    if segment is None:
        raise ValueError("the bench's recipe has an end card")
    spliced = finish_body(body, made, generative=True)
    _check_same(spliced.data, _whole(clip))
    with TemporaryDirectory(prefix="skureel-bench-") as folder:
        by = signer(credentials(Path(folder)))
    without = replace(made, dressing=replace(made.dressing, overlays=replace(made.dressing.overlays, ribbon=None)))
    return {
        COPY: lambda: finish_body(body, made, generative=True),
        "splice and sign": lambda: finish_body(body, made, generative=True, signer=by),
        "of that, sign": lambda: by.sign(spliced.data, made, generative=True),
        "inspect by parts": lambda: inspect_file(spliced.data, made, parts=spliced.parts),
        "inspect by decoding": lambda: inspect_file(spliced.data, made),
        BODY: lambda: finish(clip.base, made, generative=True),
        "dress, no ribbon": lambda: finish(clip.base, without, generative=True),
        "card, once a promotion": lambda: encode_segment.__wrapped__(segment),
        WHOLE: lambda: _whole(clip),
    }


def _whole(clip: Clip) -> bytes:
    """Body and card through one encoder."""
    made, segment = clip.recipe, segment_of(clip.recipe)
    if segment is None:
        raise ValueError("the bench's recipe has an end card")
    overlays = made.dressing.overlays
    shown = itertools.chain(dress(clip.base, overlays, made.scene), pictures(segment))
    return encode(shown, clip.size, made.scene.fps, overlays.encoding, tags_for(made, generative=True))


def _check_same(one: bytes, other: bytes) -> None:
    """Raises ValueError when two files do not show the same, within the encoder's tolerance."""
    apart = np.abs(decode(one).astype(int) - decode(other)).mean((1, 2, 3))
    if apart.max() > 4:
        raise ValueError(f"the files differ by {apart.max():.1f} levels: the sides do not do the same work")


def measure(clip: Clip, rounds: int) -> dict[str, list[float]]:
    """CPU milliseconds of every depth, turn by turn; a first turn warms caches and is not counted."""
    works = depths(clip)
    found: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            gc.collect()
            start = time.process_time()
            work()
            if turn:
                found[name].append((time.process_time() - start) * 1000)
    return found


def table(name: str, found: dict[str, list[float]]) -> Table:
    """One row a depth."""
    shown = Table(title=name)
    shown.add_column("work")
    for heading in ("median, CPU ms", "best", "of a re-encode"):
        shown.add_column(heading, justify="right")
    whole = median(found[WHOLE])
    for work, times in found.items():
        middle = median(times)
        style = ("green" if middle <= AIM_MS else "red") if work == COPY else ""
        shown.add_row(work, Text(f"{middle:.1f}", style=style), f"{min(times):.1f}", f"{middle / whole:.3f}")
    return shown


def line(found: dict[str, dict[str, list[float]]], *, quick: bool) -> str:
    """All of it as one line of JSON."""
    medians = {clip: {work: median(times) for work, times in each.items()} for clip, each in found.items()}
    document: dict[str, Any] = {
        "bench": "dressing",
        **machine.describe(),
        "method": METHOD,
        "facts": {"quick": quick, "rounds": len(next(iter(next(iter(found.values())).values())))},
        "cpu_ms": {clip: {work: round(ms, 2) for work, ms in each.items()} for clip, each in medians.items()},
        "best_cpu_ms": {
            clip: {work: round(min(times), 2) for work, times in each.items()} for clip, each in found.items()
        },
        "ratios": {
            clip: {work: round(ms / each[WHOLE], 4) for work, ms in each.items()} for clip, each in medians.items()
        },
        "aims": {COPY: AIM_MS},
        "met": {clip: each[COPY] <= AIM_MS for clip, each in medians.items()},
    }
    return json.dumps(document, ensure_ascii=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Gives 0 when it ran: a missed aim is a finding, not a failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dressing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small and short: that it runs, not how fast")
    parser.add_argument("--json-only", action="store_true", help="the JSON line alone")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="turns that are counted")
    chosen = parser.parse_args(arguments)
    rounds = 1 if chosen.quick else chosen.rounds
    found = {clip.name: measure(clip, rounds) for clip in clips(quick=chosen.quick)}
    if not chosen.json_only:
        console = Console()
        console.rule("[bold]dressing")
        console.print(Group(Text(METHOD), *(table(name, each) for name, each in found.items())))
    print(line(found, quick=chosen.quick))
    return 0


if __name__ == "__main__":
    sys.exit(main())
