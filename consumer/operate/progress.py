"""An engine's work as a progress bar: a Watch for people at a terminal. Silent where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Bar:
    """One line: what is being done, how far it is, for how long. Implements ``model.engine.Watch``; thread-safe."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("load", total=None)

    def told(self, stage: str) -> None:
        """A stage of unknown length begins."""
        self._progress.reset(self._task, description=stage, total=None)

    def beat(self, stage: str, done: int, total: int) -> None:
        """See ``Watch``; never cancels."""
        self._progress.update(self._task, description=stage, completed=done, total=total)


@contextmanager
def shown() -> Iterator[Bar]:
    """A bar on standard error while the block runs."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bar(progress)
