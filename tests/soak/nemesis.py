"""What the nemesis does, drawn from a seed: which fault, to whom, when, for how long. Pure; harms nobody itself."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.soak.beat import FIRST, bursts

PROCESS = {"kill": 5, "terminate": 2, "freeze": 4}
"""Faults of a process, and how often each beside the others."""
SERVICE = {
    ("broker", "kill"): 2,
    ("broker", "restart"): 1,
    ("broker", "pause"): 2,
    ("store", "kill"): 2,
    ("store", "restart"): 1,
    ("store", "pause"): 2,
    ("database", "kill"): 1,
    ("database", "restart"): 2,
    ("database", "pause"): 1,
}
"""Faults of the servers."""
LINK = {"cut": 3, "hold": 2, "slow": 2, "lost answers": 2}
"""Faults of the network between a process and a server. Lost answers are those to the end of a transaction."""
SECONDS = {
    "kill": (0.0, 4.0),
    "restart": (0.0, 1.0),
    "pause": (1.0, 9.0),
    "freeze": (1.0, 10.0),
    "terminate": (0.0, 0.0),
    "cut": (0.5, 12.0),
    "hold": (2.0, 15.0),
    "slow": (5.0, 20.0),
    "lost answers": (1.0, 8.0),
}
"""How long each lasts. The session timeout is 3 s, a transaction's 10 s, the store's patience 6 s."""
REST = {"broker": 12.0, "store": 5.0, "database": 5.0, "process": 2.0, "link": 1.0}
"""Seconds after a fault's end before the next one of the same target: where nothing lives, nothing is found."""
EACH, AFTER = 3, (0.2, 4.0)
"""Faults of each burst, and how many seconds after it they come: while there is work in every stage."""
GAP = 12.0
"""Seconds between two other faults, on average."""
TRIES = 5
"""How often another fault is drawn where the target has not come back from the last one."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One deed. ``target`` is a process, a service, or PROCESS/SERVICE for the link between them."""

    at: float
    kind: str
    target: str
    seconds: float
    delay: float = 0.0
    """Of a slow link: seconds a piece."""

    def to_json(self) -> dict[str, Any]:
        """For the run's folder."""
        return asdict(self)


def schedule(seed: int, seconds: float, processes: Sequence[str]) -> list[Fault]:
    """The faults of a run, in their order; none begins in its last seconds, two never meet at one target."""
    chance = random.Random(f"{seed}/nemesis")
    moments = [beat + chance.uniform(*AFTER) for beat in bursts(seed, seconds) for _ in range(EACH)]
    at = FIRST
    while at < seconds:
        moments.append(at)
        at += chance.expovariate(1 / GAP)
    busy: dict[str, float] = {}
    found: list[Fault] = []
    for moment in sorted(each for each in moments if each < seconds - FIRST):
        fault = next((f for f in (_draw(chance, moment, processes) for _ in range(TRIES)) if _free(f, busy)), None)
        if fault is not None:
            found.append(fault)
            busy[fault.target] = fault.at + fault.seconds + REST[_sort(fault)]
    return found


def _free(fault: Fault, busy: Mapping[str, float]) -> bool:
    return fault.at >= busy.get(fault.target, 0.0)


def _sort(fault: Fault) -> str:
    if "/" in fault.target:
        return "link"
    return fault.target if fault.target in REST else "process"


def _draw(chance: random.Random, at: float, processes: Sequence[str]) -> Fault:
    sort = chance.choices(("process", "service", "link"), (5, 3, 4))[0]
    delay = 0.0
    if sort == "process":
        kind, target = chance.choices(list(PROCESS), list(PROCESS.values()))[0], chance.choice(processes)
    elif sort == "service":
        target, kind = chance.choices(list(SERVICE), list(SERVICE.values()))[0]
    else:
        kind, process = chance.choices(list(LINK), list(LINK.values()))[0], chance.choice(processes)
        services = ["broker", "store", "database"] if process.startswith("planner") else ["broker", "store"]
        target = f"{process}/{'broker' if kind == 'lost answers' else chance.choice(services)}"
        delay = round(chance.uniform(0.02, 0.3), 3) if kind == "slow" else 0.0
    lasts = round(chance.uniform(*SECONDS[kind]), 2)
    return Fault(at=round(at, 2), kind=kind, target=target, seconds=lasts, delay=delay)
