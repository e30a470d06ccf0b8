"""One run from its seed to its report: servers, processes, input, nemesis, rest, look, check."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tests.harness import START_SECONDS
from tests.soak.checker import check
from tests.soak.kept import WORKLOAD, keep, lines
from tests.soak.nemesis import Fault, schedule
from tests.soak.observing import Observer
from tests.soak.publisher import Publisher
from tests.soak.records import Encoder, beginning
from tests.soak.report import Report, report
from tests.soak.settle import settle
from tests.soak.site import Site
from tests.soak.slots import Life, Slot
from tests.soak.strikes import Nemesis
from tests.soak.watch import Watch
from tests.soak.workload import Item, Scale, workload

PROCESSES = ("planner-0", "renderer-0", "renderer-1")
GLANCE = 0.5
"""Seconds between two updates of the bar."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked for."""

    seed: int
    seconds: float
    products_a_minute: float
    folder: Path
    faults: bool = True

    @property
    def replay(self) -> str:
        """The command that makes the same input and the same faults again."""
        calm = "" if self.faults else " --calm"
        minutes, products = f"{self.seconds / 60:g}", f"{self.products_a_minute:g}"
        return f"python -m tests.soak run --seed {self.seed} --minutes {minutes} --products {products}{calm}"


@dataclass(frozen=True, kw_only=True)
class Script:
    """All that a seed decides."""

    items: Sequence[Item]
    faults: Sequence[Fault]

    @classmethod
    def of(cls, options: Options) -> Script:
        """Draw it."""
        items = workload(options.seed, Scale.of(options.seconds, options.products_a_minute))
        return cls(items=items, faults=schedule(options.seed, options.seconds, PROCESSES) if options.faults else [])

    def save(self, folder: Path) -> None:
        """One JSON object a line."""
        lines(folder / WORKLOAD, map(asdict, self.items))
        lines(folder / "nemesis.jsonl", (fault.to_json() for fault in self.faults))


class Run:
    """One run. ``go`` does it once."""

    def __init__(self, options: Options, console: Console) -> None:
        self._options, self._console = options, console
        self._script = Script.of(options)
        self._slots: dict[str, Slot] = {}
        self._settling = 0.0
        self.begun = False
        """Whether the servers were there."""

    def go(self) -> Report:
        """Do it. Raises MissingProgram, ServiceError, PublishingError where it proves nothing."""
        folder, seed = self._options.folder, self._options.seed
        self._script.save(folder)
        with ExitStack() as closing:
            self._say(f"seed {seed}: starting servers and {len(PROCESSES)} processes")
            site = closing.enter_context(Site(folder, PROCESSES))
            self.begun = True
            for name in PROCESSES:
                self._slots[name] = Slot(site, name)
                closing.callback(self._slots[name].close)
            for slot in self._slots.values():
                slot.process.wait_ready(START_SECONDS)
            watch = Watch(site.world, seed)
            closing.callback(watch.stop)
            wires = Encoder(beginning()).all(self._script.items)
            nemesis = Nemesis(site, self._slots, self._script.faults, folder / "struck.jsonl")
            unread = self._play(site, wires, nemesis)
            watch.stop()
            for slot in self._slots.values():
                slot.close()
            self._say("looking at what is there")
            seen = Observer(site.world).observe(watch, self._lives, unread)
        case = keep(folder, self._options.seconds, self._script.items, wires, seen)
        found = report(
            case,
            check(case),
            seed=seed,
            replay=self._options.replay,
            seconds=self._options.seconds,
            settling=self._settling,
            faults=nemesis.done,
            lives=self._lives,
        )
        (folder / "report.json").write_text(json.dumps(found.to_json(), ensure_ascii=False, indent=1), encoding="utf-8")
        return found

    @property
    def _lives(self) -> list[Life]:
        return [life for slot in self._slots.values() for life in slot.lives]

    def _play(self, site: Site, wires: Sequence[Any], nemesis: Nemesis) -> list[str]:
        """Publish under the nemesis, then wait until all is done; gives what is left."""
        world = site.world
        publisher = Publisher(world.kafka.bootstrap, self._script.items, wires, world.topic)
        over = threading.Event()
        try:
            publisher.start()
            nemesis.start()
            with self._bar() as (bar, task):
                began = time.monotonic()
                while (gone := time.monotonic() - began) < self._options.seconds:
                    told = f"{publisher.taken}/{len(wires)} records, {sum(nemesis.done.values())} faults"
                    bar.update(task, completed=gone, told=told)
                    over.wait(GLANCE)
            self._say(f"{sum(nemesis.done.values())} faults; healing")
            nemesis.stop()
            publisher.finish()
        except BaseException:
            publisher.abandon()
            raise
        self._say("all healed and published; waiting until all is done")
        began = time.monotonic()
        left = settle(world, over)
        self._settling = time.monotonic() - began
        return left

    @contextmanager
    def _bar(self) -> Iterator[tuple[Progress, TaskID]]:
        columns = (TextColumn("soak"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[told]}"))
        with Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal) as bar:
            yield bar, bar.add_task("soak", total=self._options.seconds, told="")

    def _say(self, what: str) -> None:
        self._console.print(f"{time.strftime('%H:%M:%S')} {what}", markup=False, highlight=False)
