"""Whether the AIGC keys found in a file are one lawful metadata label (GB 45438-2025, Annex E), whoever wrote them.

Knows no recipe: ``label.check_labels`` compares a file with what it should say, this only asks whether it is well said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from model.label import AIGC, AIGC_FIELDS, is_printable, producer_fault

KINDS = ("1", "2", "3")
"""Values of ``Label``: generated, possibly generated, suspected to be."""
_IDS = ("ProduceID", "PropagateID")
_PRODUCERS = ("ContentProducer", "ContentPropagator")
_QUOTED = 60
"""Characters of a foreign value that a message repeats."""


def read(text: str) -> Mapping[str, object] | None:
    """The label in a key's text; None where it is no JSON object, or says a field twice."""
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def faults(texts: Sequence[str]) -> list[str]:
    """What is wrong with the AIGC keys of a file, given the text of each; empty when they are one lawful label."""
    if len(texts) != 1:
        return [f"the {AIGC} key is missing" if not texts else f"the {AIGC} key occurs {len(texts)} times, not once"]
    label = read(texts[0])
    if label is None:
        return [f"is no JSON object with each field once: {_quoted(texts[0])}"]
    found = [f"{name} is missing" for name in AIGC_FIELDS if name not in label]
    found += [f"{_quoted(name)} is no field of the label" for name in label if name not in AIGC_FIELDS]
    found += [f"{name} is {_quoted(value)}, not text" for name, value in label.items() if not isinstance(value, str)]
    return found or _value_faults({name: str(value) for name, value in label.items()})


def _value_faults(label: Mapping[str, str]) -> list[str]:
    found = [] if label["Label"] in KINDS else [f"Label is {_quoted(label['Label'])}, not {', '.join(KINDS)}"]
    found += [f"{name}: {fault}" for name in _PRODUCERS if (fault := producer_fault(label[name][:_QUOTED]))]
    return found + [
        f"{name} is {_quoted(label[name])}, not printable ASCII without spaces"
        for name in _IDS
        if not is_printable(label[name])
    ]


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Raises ValueError where two readers could read different values: a field that stands there twice."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a field occurs twice")
    return value


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
