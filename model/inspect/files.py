"""The checks of a finished file against its recipe: it decodes to its end, and is what the recipe says.

Reads the bytes as a stranger would; what the encoder said of them does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from model.encode import count_frames
from model.errors import ClipError
from model.inspect.policy import POLICY, Policy
from model.inspect.report import Outcome, Report, Score, judge, unusable
from model.label import check_labels
from model.probe import Probe, probe
from model.recipe import Recipe
from model.splice import joint_faults


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that could be read: its headers, the pictures that came out of it, and the recipe it is held against."""

    data: bytes
    probe: Probe
    decoded: int
    recipe: Recipe


Check = Callable[[Opened], Score]

CHECKS: dict[str, Check] = {}
"""Every check of files by name, in the order in which they are run and reported."""


def _check(name: str) -> Callable[[Check], Check]:
    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


def inspect_file(data: bytes, recipe: Recipe, policy: Policy = POLICY, *, parts: Sequence[bytes] = ()) -> Report:
    """Inspect a finished clip's bytes. Never raises for a bad file; a file that cannot be read or decoded is reported
    as ``headers`` or ``decode`` and not looked at further.

    ``parts`` are files that were decoded when they were made and that this one joins (``splice``): it is then compared
    with them packet by packet instead of decoded, which takes a thirtieth of the time.
    """
    try:
        headers = probe(data)
    except ClipError as error:
        return unusable("headers", str(error), policy)
    if parts:
        faults = joint_faults(data, parts)
        if faults:
            return unusable("decode", "; ".join(faults), policy)
        decoded = headers.frames
    else:
        try:
            decoded = count_frames(data)
        except ClipError as error:
            return unusable("decode", str(error), policy)
    return judge(_scores(Opened(data, headers, decoded, recipe), policy), policy)


def _scores(opened: Opened, policy: Policy) -> Iterator[tuple[str, Outcome]]:
    for name, check in CHECKS.items():
        if policy.runs(name):
            yield name, check(opened)


@_check("frames")
def frames(opened: Opened) -> Score:
    """Difference of the decoded frames from the recipe's, end card included."""
    return Score(abs(opened.decoded - opened.recipe.frames), f"{opened.decoded} decoded")


@_check("size")
def size(opened: Opened) -> Score:
    """Difference of width and height from the recipe's, added."""
    overlays, found = opened.recipe.dressing.overlays, opened.probe
    difference = abs(found.width - overlays.width) + abs(found.height - overlays.height)
    return Score(difference, f"{found.width}x{found.height}")


@_check("fps")
def fps(opened: Opened) -> Score:
    """Difference of the rate from the recipe's."""
    return Score(abs(opened.probe.fps - opened.recipe.scene.fps))


@_check("duration")
def duration(opened: Opened) -> Score:
    """Difference of the duration from the recipe's, seconds."""
    return Score(abs(opened.probe.duration - opened.recipe.duration))


@_check("faststart")
def faststart(opened: Opened) -> Score:
    """1 when the headers come last."""
    return Score(float(not opened.probe.faststart))


@_check("pix_fmt")
def pix_fmt(opened: Opened) -> Score:
    """1 for anything but yuv420p."""
    return Score(float(opened.probe.pix_fmt != "yuv420p"), opened.probe.pix_fmt)


@_check("audio")
def audio(opened: Opened) -> Score:
    """1 when there is an audio track."""
    return Score(float(opened.probe.has_audio))


@_check("labels")
def labels(opened: Opened) -> Score:
    """Labels missing or wrong; a recipe with a producer is one of a clip that a model generated."""
    try:
        faults = check_labels(opened.data, opened.recipe, opened.recipe.dressing.producer is not None)
    except ClipError as error:
        faults = [str(error)]
    return Score(len(faults), "; ".join(faults))
