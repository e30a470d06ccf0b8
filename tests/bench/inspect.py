"""What inspecting a clip of 3 s costs, beside plain decoding of the same file; and what an engine at work feels of it.

`python -m tests.bench.inspect [--quick] [--json-only] [--rounds N]`. CPU time is that of all threads of the process.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from model.encode import count_frames, encode
from model.engine import Frames
from model.inspect import Expected, inspect_file, inspect_frames
from tests.bench import machine
from tests.seeded.clips import FPS, Good, png
from tests.seeded.spoil import UNLABELLED, recipe_of
from tests.unit.model_clip.samples import on_ground, pan, storyboard

WIDTH, HEIGHT, FRAMES = 832, 480, 73
"""480p, and the frames nearest to 3 s that the wan engine makes."""
AIM = 150.0
"""CPU ms of inspecting frames and file, its decoding included."""
Work = Callable[[], object]


def clips() -> dict[str, Frames]:
    """One clip of each kind that costs differently: much detail that moves, writing, a product before nothing."""
    return {
        "camera over a photo": pan(FRAMES, HEIGHT, WIDTH, step=2),
        "words": storyboard(("不锈钢保温杯", "保温 24 小时", "一键开盖"), WIDTH, HEIGHT, FRAMES),
        "product on white": on_ground(255, FRAMES, HEIGHT, WIDTH),
    }


def works(name: str, frames: Frames) -> dict[str, Work]:
    """What is measured of one clip. Everything that needs no model is compared, the colour and the photo too."""
    known = Expected(colour=(60, 90, 160), photo=png(frames[0]))
    good = Good(kind="cost", name=name, frames=frames, expected=known)
    recipe = recipe_of(good)
    encoding = recipe.dressing.overlays.encoding
    data = encode(frames, (WIDTH, HEIGHT), FPS, encoding, {})
    return {
        "decode": lambda: count_frames(data),
        "frames": lambda: inspect_frames(frames, good.scene, expected=known),
        "file": lambda: inspect_file(data, recipe, UNLABELLED),
        "encode": lambda: encode(frames, (WIDTH, HEIGHT), FPS, encoding, {}),
    }


def costs(sides: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """CPU milliseconds of each side: medians of turns after one that is not counted."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(-1, rounds):
        for name, work in sides.items():
            gc.collect()
            start = time.process_time()
            work()
            if turn >= 0:
                found[name].append((time.process_time() - start) * 1000)
    return {name: round(median(times), 1) for name, times in found.items()}


def whole(cost: Mapping[str, float]) -> dict[str, float]:
    """The same with what the inspection comes to: all of it, and what there is besides decoding."""
    inspected = cost["frames"] + cost["file"]
    return dict(cost) | {"inspection": round(inspected, 1), "besides decode": round(inspected - cost["decode"], 1)}


def steps_beside(beside: Work | None, seconds: float) -> float:
    """Steps a second of a thread that launches work on a device, while another thread does ``beside`` over and over.

    A step is some 0.1 ms of Python, for which the interpreter must be had, and 1 ms in which a device would compute.
    """
    stop, done = threading.Event(), 0
    other = threading.Thread(target=_again, args=(beside, stop), daemon=True) if beside else None
    if other:
        other.start()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(4000))
        time.sleep(0.001)  # stands for a device at work
        done += 1
    stop.set()
    if other:
        other.join()
    return done / seconds


def _again(work: Work, stop: threading.Event) -> None:
    while not stop.is_set():
        work()


def overlap(inspection: Work, rounds: int, seconds: float) -> dict[str, float]:
    """Shares of its own pace that a launching thread keeps: beside hashing, which takes a core and never the
    interpreter, and beside inspecting.
    """
    block = bytes(1 << 22)
    sides: dict[str, Work | None] = {
        "alone": None,
        "hashing": lambda: hashlib.sha256(block).digest(),
        "inspecting": inspection,
    }
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            found[name].append(steps_beside(work, seconds))
    pace = {name: median(each) for name, each in found.items()}
    shares = {name: [mine / own for mine, own in zip(found[name], found["alone"], strict=True)] for name in found}
    return {"alone, steps/s": round(pace["alone"])} | {
        f"beside {name}": round(median(shares[name]), 3) for name in ("hashing", "inspecting")
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Gives 0 when it ran: a missed aim is a finding, not a failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.inspect", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one turn: that it runs, not how fast")
    parser.add_argument("--json-only", action="store_true", help="the JSON line alone")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="turns that are counted")
    chosen = parser.parse_args(arguments)
    rounds = 1 if chosen.quick else max(1, chosen.rounds)
    described = machine.describe()
    made = {name: works(name, frames) for name, frames in clips().items()}
    found = {name: whole(costs(sides, rounds)) for name, sides in made.items()}
    felt = overlap(made["camera over a photo"]["frames"], rounds, 0.3 if chosen.quick else 2.0)
    worst = max(each["inspection"] for each in found.values())
    if not chosen.json_only:
        console = Console(width=None if sys.stdout.isatty() else 110)
        console.print(_table(found))
        console.print(f"the most: {worst:.0f} ms, aim {AIM:.0f}")
        console.print(f"a thread that launches work on a device keeps of its pace: {felt}")
    document: dict[str, Any] = {
        "bench": "inspect",
        **described,
        "facts": {"clip": f"{WIDTH}x{HEIGHT}, {FRAMES} frames at {FPS} a second", "rounds": rounds, "models": False},
        "cpu_ms": found,
        "overlap": felt,
        "worst": worst,
        "aim": AIM,
        "met": worst <= AIM,
    }
    print(json.dumps(document, ensure_ascii=False))
    return 0


def _table(found: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title=f"CPU ms of a clip of {WIDTH}x{HEIGHT}, {FRAMES} frames", title_justify="left")
    columns = ("decode", "frames", "file", "inspection", "besides decode", "encode")
    for heading in ("", *columns):
        table.add_column(heading, justify="right" if heading else "left")
    for name, cost in found.items():
        table.add_row(name, *(f"{cost[column]:.1f}" for column in columns))
    return table


if __name__ == "__main__":
    sys.exit(main())
