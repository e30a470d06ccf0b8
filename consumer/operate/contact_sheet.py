"""Contact sheets: frames of many clips in one picture, a row each, under what the inspection says. Inspects nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from consumer.operate.clips import Looked, thumbnails
from model.engine import Frames
from model.typeset import FontError, Rgb, fit, mask

COLUMNS, THUMB, GAP = 8, 160, 6
_TITLE, _NOTE = 22, 16
_PAPER, _INK, _FAINT = (250, 250, 248), (30, 30, 34), (120, 120, 126)
_VERDICTS = {"accept": (20, 120, 60), "review": (176, 110, 0), "reject": (180, 30, 40)}


def sheet(clips: Sequence[Looked]) -> Image.Image:
    """One picture of all clips; as wide as eight thumbnails. A clip without pictures has its row of words alone."""
    rows = [_row(each) for each in clips]
    width = COLUMNS * (THUMB + GAP) + GAP
    page = Image.new("RGB", (width, sum(row.height for row in rows) + GAP), _PAPER)
    top = 0
    for row in rows:
        page.paste(row, (0, top))
        top += row.height
    return page


def write(path: Path, clips: Sequence[Looked]) -> None:
    """The sheet as a PNG; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    sheet(clips).save(unfinished, "PNG", optimize=True)
    unfinished.replace(path)


def _row(clip: Looked) -> Image.Image:
    width = COLUMNS * (THUMB + GAP) + GAP
    shown = thumbnails(clip.frames, COLUMNS) if clip.frames is not None else []
    pictures = [(index, _small(frame)) for index, frame in shown]
    tall = max((picture.height for _, picture in pictures), default=0)
    notes = _notes(clip)
    row = Image.new("RGB", (width, GAP + _TITLE + len(notes) * _NOTE + tall + GAP), _PAPER)
    verdict = clip.report.verdict
    _write(row, (GAP, GAP), f"{clip.path.name} · {verdict}", size=_TITLE - 6, colour=_VERDICTS[verdict], weight=700)
    for number, note in enumerate(notes):
        _write(row, (GAP, GAP + _TITLE + number * _NOTE), note, size=_NOTE - 4, colour=_INK)
    top = GAP + _TITLE + len(notes) * _NOTE
    for column, (index, picture) in enumerate(pictures):
        left = GAP + column * (THUMB + GAP)
        row.paste(picture, (left, top))
        _write(row, (left + 3, top + 2), str(index), size=11, colour=_FAINT)
    return row


def _small(frame: Frames) -> Image.Image:
    picture = Image.fromarray(frame)
    picture.thumbnail((THUMB, THUMB), Image.Resampling.BOX)
    return picture


def _notes(clip: Looked) -> list[str]:
    notes = [f"{fault.action} {fault.check}: {fault.message}" for fault in clip.report.faults]
    scores = " · ".join(f"{check} {score:g}" for check, score in clip.report.scores.items())
    return notes + ([scores] if scores else [])


def _write(row: Image.Image, at: tuple[int, int], text: str, *, size: int, colour: Rgb, weight: int = 400) -> None:
    try:
        room = row.width - at[0] - GAP
        ink = mask(fit(text, width=room, height=2 * size, largest=size, smallest=size, weight=weight, max_lines=1))
    except FontError:  # the sheet is worth having without the typeface too
        ImageDraw.Draw(row).text(at, text.encode("ascii", "replace").decode(), fill=colour)
    else:
        row.paste(Image.new("RGB", ink.size, colour), at, ink)
