"""The command line itself: help, version, usage errors and exit codes."""

from __future__ import annotations

import re

import pytest

from consumer import __version__
from consumer.cli import app
from tests.commands import program, skureel

COMMANDS = sorted(command.name or str(getattr(command.callback, "__name__", "")) for command in app.registered_commands)

GROUPS = sorted(str(group.typer_instance.info.name) for group in app.registered_groups if group.typer_instance)


def test_help_lists_every_command_in_a_line() -> None:
    """One usable line a command: none is cut, each ends its sentence."""
    for arguments in (("--help",), ("-h",)):
        ran = skureel(*arguments)
        assert ran.code == 0
        listed = ran.out.partition("Commands:")[2]
        assert "…" not in listed
        assert "..." not in listed
        summaries = dict(re.findall(r"^  (\w+)  +(\S.*)$", listed, re.MULTILINE))
        assert sorted(summaries) == sorted([*COMMANDS, *GROUPS])
        assert all(summary.endswith(".") for summary in summaries.values())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command: str) -> None:
    """Every option has a line that says what it is for."""
    ran = skureel(command, "--help")
    assert ran.code == 0
    assert f"Usage: skureel {command}" in " ".join(ran.out.split()) or f"{command} [OPTIONS]" in ran.out
    options = re.findall(r"^  (-\S+(?:, --\S+)?)(.*(?:\n {6,}.*)*)", ran.out.partition("Options:")[2], re.MULTILINE)
    assert len(options) >= 2
    for name, text in options:
        assert re.search(r"[A-Za-z]{2}", text), name


def test_no_arguments_is_usage() -> None:
    """Without a command the help is shown, and it is no success."""
    ran = skureel()
    assert ran.code == 2
    assert "Usage: " in ran.out + ran.err


def test_version() -> None:
    """The version is that of the package."""
    assert skureel("--version").out == f"skureel {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope",),
        ("publish",),
        ("publish", "product-created"),
        ("tail",),
        ("tail", "video-ready", "--limit", "0"),
        ("tail", "video-ready", "--limit", "many"),
        ("generate", "--prompt", "x"),
        ("generate", "-o", "x.mp4"),
        ("generate", "--prompt", "x", "-o", "x.mp4", "--seed", "-1"),
        ("generate", "--prompt", "x", "-o", "x.mp4", "--seconds", "long"),
        ("doctor", "--colour"),
        ("run", "--role", "director"),
        ("demo", "--limit", "0"),
        ("demo", "--size", "huge"),
        ("promo", "plan"),
        ("promo", "status", "now"),
        ("promo", "nope"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    """Wrong usage ends with 2, says what is wrong, and prints nothing where results go."""
    ran = skureel(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err


@pytest.mark.parametrize(
    "command",
    [
        ("publish", "product-created", "-"),
        ("tail", "x"),
        ("doctor",),
        ("run",),
        ("promo", "status"),
        ("promo", "plan", "-"),
    ],
)
def test_wrong_settings(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command that reads settings refuses wrong ones with 2, by name."""
    monkeypatch.setenv("SKUREEL_KAFKA__BATCH", "0")
    ran = skureel(*command)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("skureel: kafka.batch: ")
    ran = skureel(*command, "--config", "absent.toml")
    assert (ran.code, "absent.toml: no such configuration file" in ran.err) == (2, True)


def test_the_program() -> None:
    """The installed program answers, also where the locale knows no UTF-8."""
    ran = program("publish", "product-created", "absent.jsonl", LC_ALL="POSIX", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (ran.code, "absent.jsonl" in ran.err) == (2, True)
