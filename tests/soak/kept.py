"""A run's folder: what went in and what was seen, so that the checker can be asked again. Judges nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.soak.checker import Case
from tests.soak.goal import goal
from tests.soak.observed import Observed
from tests.soak.records import Wire
from tests.soak.workload import Item

WORKLOAD, WIRES, SEEN, RUN = "workload.jsonl", "wires.jsonl", "observed.json", "run.json"


def lines(file: Path, values: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line."""
    file.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8")


def keep(folder: Path, seconds: float, items: Sequence[Item], wires: Sequence[Wire], seen: Observed) -> Case:
    """Write all of a run that the checker needs; gives it as a case."""
    (folder / RUN).write_text(json.dumps({"seconds": seconds}), encoding="utf-8")
    lines(folder / WORKLOAD, map(asdict, items))
    lines(folder / WIRES, ({"topic": w.topic, "key": _hex(w.key), "value": _hex(w.value)} for w in wires))
    seen.save(folder / SEEN)
    return Case(items=items, wires=wires, goal=goal(items, seconds), seen=seen)


def kept(folder: Path) -> Case:
    """The case of a run's folder. Raises OSError where it is not one."""
    items = [Item(**each) for each in _read(folder / WORKLOAD)]
    wires = [
        Wire(topic=each["topic"], key=_bytes(each["key"]), value=_bytes(each["value"]), headers=())
        for each in _read(folder / WIRES)
    ]
    seconds = json.loads((folder / RUN).read_text(encoding="utf-8"))["seconds"]
    return Case(items=items, wires=wires, goal=goal(items, seconds), seen=Observed.load(folder / SEEN))


def _read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()


def _bytes(digits: str | None) -> bytes | None:
    return None if digits is None else bytes.fromhex(digits)
