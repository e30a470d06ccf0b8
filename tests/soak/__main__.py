"""`python -m tests.soak run`: products and promotions under a nemesis, and a checker at the end.

Exit codes: 0 no violation, 1 a violation, or a run that proves nothing, 2 wrong usage, 3 a server cannot be started.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from consumer.observe import logs
from tests.services.errors import ServiceError
from tests.soak.checker import check
from tests.soak.kept import kept
from tests.soak.publisher import PublishingError
from tests.soak.report import show
from tests.soak.run import Options, Run

VIOLATED, MISSING = 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="one run; a seed makes the same input and the same faults again")
    run.add_argument("--minutes", type=float, default=10.0, help="how long the nemesis strikes (default: 10)")
    run.add_argument("--seed", type=int, help="of input and faults (default: drawn, and printed)")
    run.add_argument("--products", type=float, default=50.0, metavar="N", help="new products a minute (default: 50)")
    run.add_argument("--out", type=Path, help="a new or empty folder for all that is known of the run")
    run.add_argument("--calm", action="store_true", help="no faults: whether the machine keeps up")
    run.add_argument("--json", action="store_true", help="the report as one JSON line")
    again = verbs.add_parser("check", help="what the checker says of a run's folder")
    again.add_argument("folder", type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.verb == "check":
        try:
            return _check(chosen.folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            parser.error(f"{chosen.folder} is no folder of a run: {error!r}")
    return _run(parser, chosen)


def _check(folder: Path) -> int:
    found = check(kept(folder))
    print(*found, f"{len(found)} violations", sep="\n")
    return VIOLATED if found else 0


def _run(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> int:
    folder = (chosen.out or Path(tempfile.mkdtemp(prefix="skureel-soak-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        parser.error(f"{folder} is not empty")
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(10**9)
    options = Options(
        seed=seed,
        seconds=60 * chosen.minutes,
        products_a_minute=chosen.products,
        folder=folder,
        faults=not chosen.calm,
    )
    logs.configure(log_format="console", level="error", role="soak", instance="soak")
    console = Console(stderr=True)
    console.print(f"seed {seed}; everything goes to {folder}", markup=False, highlight=False)
    soak = Run(options, console)
    try:
        found = soak.go()
    except (ServiceError, PublishingError) as error:
        console.print(f"the run proves nothing: {error}", markup=False, soft_wrap=True)
        return VIOLATED if soak.begun else MISSING
    if chosen.json:
        print(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        show(found, Console())
    return 0 if found.ok else VIOLATED


if __name__ == "__main__":
    sys.exit(main())
