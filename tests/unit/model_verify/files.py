"""MP4 files for the tests of verification: good ones, and such as other programs leave behind."""

from __future__ import annotations

import io
import itertools
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from model.colour import Planar
from model.encode import encode, planar_frames_of
from model.finish import finish
from model.label import tags_for
from model.recipe import Encoding, Recipe
from model.verify import Finding, Verdict
from model.visible import make_label
from tests.unit.model_clip.samples import base_of_gradient, generated, recipe, scene

WIDTH, HEIGHT, FRAMES, FPS = 320, 240, 24, 24
Packet = Any


def made(label: str = "AI生成", *, frames: int = FRAMES) -> Recipe:
    """The recipe of a clip that a model generated."""
    return generated(scene(width=WIDTH, height=HEIGHT, frames=frames), label=label)


@cache
def labelled(label: str = "AI生成") -> bytes:
    """A generated clip as it is published."""
    return finish(base_of_gradient(FRAMES, WIDTH, HEIGHT), made(label), generative=True).data


@cache
def drawn() -> bytes:
    """A clip that no model generated, as it is published."""
    plain = recipe(scene(width=WIDTH, height=HEIGHT, frames=FRAMES))
    return finish(base_of_gradient(FRAMES, WIDTH, HEIGHT), plain, generative=False).data


def pictures(shown: Iterable[bool], label: str = "AI生成") -> list[Planar]:
    """The gradient, with a visible label on those pictures for which it is said."""
    plate = make_label(label, WIDTH, HEIGHT)
    frames = []
    for picture, on in zip(
        itertools.cycle(planar_frames_of(base_of_gradient(FRAMES, WIDTH, HEIGHT))), shown, strict=False
    ):
        copy = np.array(picture)
        if on:
            plate.lay_over(copy)
        frames.append(copy)
    return frames


def tagged(frames: Iterable[Planar], tags: Mapping[str, str] | None = None) -> bytes:
    """The pictures as a file, with the tags of a generated clip unless others are given."""
    return encode(frames, (WIDTH, HEIGHT), FPS, Encoding(), tags_for(made(), generative=True) if tags is None else tags)


def written(work: Callable[[Any], None], **options: str) -> bytes:
    """What libav writes to a real file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w", format="mp4", options=options) as container:
            work(container)
        return path.read_bytes()


def remuxed(data: bytes, *, movflags: str = "faststart", keep: Callable[[int, Packet], bool] | None = None) -> bytes:
    """The same packets and metadata in a new file: what ``ffmpeg -i IN -c copy OUT`` does."""

    def copy(target: Any) -> None:
        with av.open(io.BytesIO(data), "r", format="mp4") as source:
            target.metadata.update(source.metadata)
            stream = target.add_stream_from_template(source.streams.video[0])
            for place, packet in enumerate(each for each in source.demux(source.streams.video[0]) if each.size):
                if keep is None or keep(place, packet):
                    packet.stream = stream
                    target.mux(packet)

    return written(copy, movflags=movflags)


def encoded(
    codec: str = "libx264", pix_fmt: str = "yuv420p", *, frames: int = 24, movflags: str = "faststart", **options: str
) -> bytes:
    """A foreign clip: other codecs and settings, no word of its making."""

    def write(container: Any) -> None:
        stream = container.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, pix_fmt
        for place in range(frames):
            level = np.full((96, 128, 3), 40 + 6 * place % 200, np.uint8)
            level[:, place : place + 20] = 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(level, "rgb24").reformat(format=pix_fmt)))
        container.mux(stream.encode(None))

    return written(write, movflags=movflags)


def finding(verdict: Verdict, check: str) -> Finding:
    """What a check found."""
    (found,) = [each for each in verdict.findings if each.check == check]
    return found


def failing(verdict: Verdict) -> list[str]:
    """The checks that fail."""
    return [each.check for each in verdict.findings if each.status == "fail"]
