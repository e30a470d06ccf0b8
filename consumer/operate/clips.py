"""Clips as files: read, decoded and inspected as far as a file alone tells, with what is known of it beside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from consumer.planner.prompting import vocabulary
from model.encode import decode
from model.engine import Frames
from model.errors import ClipError
from model.inspect import NOTHING, Expected, Inspector, Report
from model.probe import Probe, probe
from model.recipe import Dressing, Overlays, Recipe, RecipeError, Scene

LEFT_OUT = ("labels",)
"""Checks that need more than the file: who made it, and whether a model did. ``skureel verify`` looks at labels."""


STILL = 1.5
"""Levels by which a still picture changes at most when it is encoded: key frames renew it, then it drifts."""


class ClipFileError(Exception):
    """Raised when a file, or what lies beside it, cannot be read; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the file should be, where that is known, and what its pictures are compared with."""

    expected: Expected = NOTHING
    size: tuple[int, int] | None = None
    seconds: float | None = None
    card: float = 0.0
    """Seconds at the end that are an end card: not looked at, for it is another scene and may stand still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One file and what was found in it."""

    path: Path
    report: Report
    probe: Probe | None = None
    frames: Frames | None = None


def look(path: Path, inspector: Inspector, wanted: Wanted) -> Looked:
    """Inspect one file: the file itself, then its pictures. Raises ClipFileError where it cannot be read at all."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ClipFileError(f"{path}: {error.strerror or error}") from error
    inspector = _for_files(inspector)
    try:
        seen = probe(data)
        recipe = _recipe(seen, wanted)
    except (ClipError, RecipeError):
        return Looked(path=path, report=inspector.file(data, _ANY))
    report = inspector.file(data, recipe)
    if not report.scores:
        return Looked(path=path, report=report, probe=seen)
    frames = decode(data)
    shown = frames[: max(1, len(frames) - round(wanted.card * seen.fps))]
    _, height, width, _ = shown.shape
    scene = replace(recipe.scene, frames=len(shown), width=width, height=height)
    return Looked(path=path, report=inspector.frames(shown, scene, wanted.expected) + report, probe=seen, frames=frames)


def _for_files(inspector: Inspector) -> Inspector:
    policy = replace(inspector.policy, still=max(inspector.policy.still, STILL))
    return replace(inspector, policy=policy).without(*LEFT_OUT)


def _recipe(seen: Probe, wanted: Wanted) -> Recipe:
    """What the file says of itself, and where somebody knows better, what it should be. Raises RecipeError."""
    fps = round(seen.fps)
    width, height = wanted.size or (seen.width, seen.height)
    frames = seen.frames if wanted.seconds is None else max(1, round(wanted.seconds * fps))
    return Recipe(
        scene=_scene(width, height, frames, fps), dressing=Dressing(overlays=Overlays(width=width, height=height))
    )


def _asking_for(scene: Scene) -> Recipe:
    return Recipe(scene=scene, dressing=Dressing(overlays=Overlays(width=scene.width, height=scene.height)))


def _scene(width: int, height: int, frames: int, fps: int) -> Scene:
    return Scene(
        mode="text",
        prompt="",
        seed=0,
        width=width,
        height=height,
        frames=frames,
        fps=fps,
        engine="file",
        engine_revision="0",
    )


_ANY = _asking_for(_scene(64, 64, 1, 24))


def expected_of(
    *, colour: str | None = None, photo: Path | None = None, words: tuple[str, ...] = (), caption: str = ""
) -> Expected:
    """What pictures are compared with, from what people write. Raises ClipFileError for a photo that is not there."""
    try:
        data = photo.read_bytes() if photo else None
    except OSError as error:
        raise ClipFileError(f"{photo}: {error.strerror or error}") from error
    expected = Expected(photo=data, words=words, caption=caption)
    if not colour:
        return expected
    return replace(expected, colour=vocabulary.rgb(colour), no_colour=f"{colour!r} stands for no one colour")


def beside(path: Path) -> Wanted:
    """What ``NAME.json`` beside ``NAME.mp4`` says of it: colour, photo, words, caption, size, seconds, end_card; all
    optional. Raises ClipFileError.
    """
    notes = path.with_suffix(".json")
    if not notes.is_file():
        return Wanted()
    try:
        said = json.loads(notes.read_text(encoding="utf-8"))
        unknown = set(said) - {"colour", "photo", "words", "caption", "size", "seconds", "end_card"}
        if unknown:
            raise ClipFileError(f"{notes}: {', '.join(sorted(unknown))}: no such entry")
        photo = path.parent / said["photo"] if said.get("photo") else None
        size = said.get("size")
        return Wanted(
            expected=expected_of(
                colour=said.get("colour"),
                photo=photo,
                words=tuple(said.get("words", ())),
                caption=said.get("caption", ""),
            ),
            size=(int(size[0]), int(size[1])) if size else None,
            seconds=float(said["seconds"]) if "seconds" in said else None,
            card=float(said.get("end_card", 0)),
        )
    except (ValueError, TypeError, AttributeError, IndexError, OSError) as error:
        raise ClipFileError(f"{notes}: {error}") from error


def clips_in(folder: Path) -> Iterator[Path]:
    """The MP4 files of a folder, by name."""
    return iter(sorted(each for each in folder.iterdir() if each.suffix.lower() == ".mp4" and each.is_file()))


def thumbnails(frames: Frames, count: int) -> list[tuple[int, Frames]]:
    """Evenly spread frames with their indices, the first and the last among them."""
    places = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int))
    return [(int(place), frames[place]) for place in places]
