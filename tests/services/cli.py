"""Real Kafka, MinIO and PostgreSQL on free loopback ports, for tests and development.

Exit codes: 0 done, 1 a service failed or is not up, 2 wrong usage, 3 a program is missing; `run` ends with the
code of its command. This module only reads the command line; `stack` does the work.
"""

import argparse
import json
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from tests.services import environment, fetch, programs
from tests.services.cache import say
from tests.services.chromium import chromium
from tests.services.errors import MissingProgram, ServiceError
from tests.services.stack import SERVICES, VARIABLES, Stack

FAILED, USAGE, MISSING = 1, 2, 3
_EPILOG = """\
examples:
  python -m tests.services up                      start Kafka, MinIO and PostgreSQL in the background
  eval "$(python -m tests.services env)"           let tests in this shell use them
  python -m tests.services run -- pytest -q        start them for one command only
  python -m tests.services down                    stop them and remove their data
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given, command = _split(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    options = parser.parse_args(given)
    known = list(FETCHERS if options.verb == "fetch" else SERVICES)
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no such service: {', '.join(unknown)} (there are {', '.join(known)})")
    if (options.verb == "run") != (command is not None) or command == []:
        parser.error("run wants a command after --, and nothing else does")
    options.names = options.names or known
    try:
        stack = Stack(options.dir or environment.cache_folder() / "run")
        if command is not None:
            return _run(stack, options.names, command)
        return int(_VERBS[options.verb](stack, options))
    except MissingProgram as missing:
        say(f"error: {missing}")
        return MISSING
    except ServiceError as error:
        say(f"error: {error}")
        return FAILED


def _split(arguments: list[str]) -> tuple[list[str], list[str] | None]:
    if "--" not in arguments:
        return arguments, None
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.services",
        description=(__doc__ or "").rpartition(" This module")[0],
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for verb, text in {
        "fetch": "fetch and cache the programs of the services and a browser, without starting them",
        "up": "start services in the background; those that run already are left alone",
        "down": "stop all services and remove their data",
        "status": "say what runs where; code 1 unless all that were brought up answer",
        "env": "print export lines that lead tests to the services that answer",
        "run": "run CMD with services in its environment, those that are up or its own: run [NAME…] -- CMD…",
    }.items():
        one = verbs.add_parser(verb, help=text, description=text)
        one.add_argument("--dir", type=Path, help="folder for state and data (default: run/ in the cache)")
        named = verb in {"fetch", "up", "run"}
        if named:
            among = ", ".join(FETCHERS if verb == "fetch" else SERVICES)
            one.add_argument("names", nargs="*", metavar="NAME", help=f"among {among}; default: all")
        else:
            one.set_defaults(names=[])
        if verb == "down":
            one.add_argument("--keep", action="store_true", help="keep the data for the next up")
        if verb == "status":
            one.add_argument("--json", action="store_true", help="for programs")
    return parser


def _fetch(_stack: Stack, options: argparse.Namespace) -> int:
    """Fetch what can be fetched, then complain about all that is missing at once.

    A missing browser alone is told and is no failure, unless it was asked for by name or CI is: the services can do
    without it.
    """
    missing = []
    spared = set() if options.names == ["chromium"] or environment.in_ci() else {"chromium"}
    for name in options.names:
        try:
            say(f"{name}: {FETCHERS[name]()}")
        except MissingProgram as error:
            say(f"error: {name}: {error}")
            missing.append(name)
    return MISSING if set(missing) - spared else 0


def _fetch_kafka() -> Path:
    programs.java()
    return fetch.kafka_jars()


def _fetch_chromium() -> Path:
    return chromium().program


FETCHERS = {
    "kafka": _fetch_kafka,
    "minio": fetch.minio_binary,
    "postgres": programs.postgres_tools,
    "chromium": _fetch_chromium,
}
"""How to come by the programs of each service. They raise MissingProgram and ServiceError."""


def _up(stack: Stack, options: argparse.Namespace) -> int:
    stack.up(options.names)
    return 0


def _down(stack: Stack, options: argparse.Namespace) -> int:
    if not stack.down(keep=options.keep):
        say("nothing was up")
    return 0


def _status(stack: Stack, options: argparse.Namespace) -> int:
    status = stack.status()
    if options.json:
        print(json.dumps(status, indent=2))
    elif not status:
        print("nothing is up")
    else:
        for name, facts in status.items():
            where = f"127.0.0.1:{facts['port']}"
            print(f"{name:9} {facts['state']:8} {where:16} pid {facts['pid'] or '-':<8} {facts['log']}")
    return 0 if status and all(facts["state"] == "answers" for facts in status.values()) else FAILED


def _env(stack: Stack, _options: argparse.Namespace) -> int:
    addresses = stack.addresses()
    for variable, value in addresses.items():
        print(f"export {variable}={shlex.quote(value)}")
    if not addresses:
        raise ServiceError("nothing is up: python -m tests.services up")
    return 0


def _run(stack: Stack, names: list[str], command: list[str]) -> int:
    addresses = stack.addresses()
    with ExitStack() as own:
        for name in names:
            if VARIABLES[name] not in addresses:
                addresses[VARIABLES[name]] = own.enter_context(SERVICES[name]()).address_text
        try:
            return _run_child(command, environment.with_changes(addresses))
        except OSError as error:
            raise ServiceError(f"{command[0]} cannot be run: {error.strerror}") from error


def _run_child(command: list[str], variables: dict[str, str]) -> int:
    """Run `command` to its end; SIGTERM to us ends it too, so that the services it used can be stopped after it."""
    children: list[subprocess.Popen[bytes]] = []
    asked: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        for child in children:
            child.terminate()

    before = signal.signal(signal.SIGTERM, end)
    try:
        children.append(subprocess.Popen(command, env=variables))
        if asked:  # while the child was being made
            children[0].terminate()
        code = _wait(children[0])
    finally:
        signal.signal(signal.SIGTERM, before)
    return 128 + asked[0] if asked else code


def _wait(child: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            code = child.wait()
        except KeyboardInterrupt:
            continue  # Ctrl-C reached the command too; its end is what we wait for
        # As shells tell that a signal ended a command.
        return code if code >= 0 else 128 - code


_VERBS = {"fetch": _fetch, "up": _up, "down": _down, "status": _status, "env": _env}
