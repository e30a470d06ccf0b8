"""From a folder and a switch to the judges that can be had, and the reason for each that cannot."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from model.engine import Frames
from model.inspect.catalogue import checks_of
from model.inspect.expected import Expected
from model.inspect.judges.judge import Judge, JudgeError
from model.inspect.policy import Policy
from model.inspect.report import NotRun, Outcome

__all__ = ["JudgeError", "Judges", "open_judges"]

ALIGNMENT, FIDELITY, UNSAFE, TEXT = "alignment", "fidelity", "unsafe", "text"
_NONE = {
    ALIGNMENT: "inspection.models is not set",
    FIDELITY: "inspection.models is not set",
    UNSAFE: "inspection.models is not set",
    TEXT: "inspection.ocr is off",
}


@dataclass(frozen=True, slots=True)
class Judges:
    """The rung of models: the judges at hand, and why the others are not."""

    present: tuple[Judge, ...] = ()
    absent: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(_NONE))

    def outcomes(self, frames: Frames, policy: Policy, expected: Expected) -> Iterator[tuple[str, Outcome]]:
        """Every model-based check that the policy runs: its outcome, or why it has none."""
        there = {judge.check: judge for judge in self.present}
        for check in checks_of("models"):
            if policy.runs(check):
                judge = there.get(check)
                yield check, judge.look(frames, expected) if judge else NotRun(self.absent[check])


def open_judges(models: Path | None = None, *, ocr: bool = False, device: str = "auto") -> Judges:
    """Load what is in ``models`` (its folders ``alignment``, ``fidelity`` and ``unsafe``) and the OCR, where asked for.

    A folder that is not there is a judge that is not wanted. Raises JudgeError for one that cannot be loaded: a check
    that was configured must not be left out in silence.
    """
    absent = dict(_NONE)
    present: list[Judge] = []
    if models is not None:
        if not models.is_dir():
            raise JudgeError(f"inspection.models: {models} is not a folder")
        for name in (ALIGNMENT, FIDELITY, UNSAFE):
            if (models / name).is_dir():
                present.append(_opened(name, models / name, device))
                del absent[name]
            else:
                absent[name] = f"there is no {name} in the folder of inspection.models"
    if ocr:
        from model.inspect.judges.writing import Writing  # noqa: PLC0415 - so that others need not have it

        present.append(Writing())
        del absent[TEXT]
    return Judges(tuple(present), MappingProxyType(absent))


def _opened(name: str, folder: Path, device: str) -> Judge:
    if any(importlib.util.find_spec(part) is None for part in ("torch", "transformers")):
        raise JudgeError(f"{folder}: needs torch and transformers: pip install 'skureel[gpu]'")
    import torch  # noqa: PLC0415 - the gpu extra
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415

    from model.inspect.judges.likeness import Alignment, Fidelity  # noqa: PLC0415
    from model.inspect.judges.towers import Towers  # noqa: PLC0415
    from model.inspect.judges.unsafe import Unsafe  # noqa: PLC0415

    transformers_logging.disable_progress_bar()  # a service has its own log
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if name == ALIGNMENT:
        return Alignment(Towers(folder, device, captions=True))
    if name == FIDELITY:
        return Fidelity(Towers(folder, device, captions=False))
    return Unsafe(folder, device)
