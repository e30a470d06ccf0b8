"""Laws of the bar: it says the stage and how far it is, and nothing where nobody looks."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from consumer.operate.progress import Bar, shown


def test_stages_and_steps_are_shown() -> None:
    """Each beat shows its stage and count; a stage of unknown length has no count left over from the one before."""
    console = Console(file=io.StringIO(), width=80)
    with Progress(
        TextColumn("{task.description}"), MofNCompleteColumn(), console=console, auto_refresh=False
    ) as progress:
        bar = Bar(progress)

        def line() -> str:
            (task,) = progress.tasks
            return f"{task.description} {task.completed:g}/{task.total and int(task.total)}"

        assert line() == "load 0/None"
        bar.beat("load", 2, 6)
        assert line() == "load 2/6"
        bar.beat("denoise", 1, 30)
        assert line() == "denoise 1/30"
        bar.told("encode")
        assert line() == "encode 0/None"


def test_without_a_terminal_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Logs and pipes stay clean."""
    with shown() as bar:
        bar.beat("denoise", 1, 3)
        bar.told("encode")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
