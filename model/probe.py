"""Says what an MP4 is from its headers alone: size, rate, codec string, tags, faststart. Decodes no picture.

What a header claims and what decodes may differ: the inspection of a finished file compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from av.error import FFmpegError

from model import h264
from model.boxes import Box, boxes, check_counts, find, is_faststart, number, read_tags
from model.demux import open_mp4
from model.errors import BoxError, ProbeError

MAX_BYTES = 512 * 1024 * 1024
MAX_SAMPLES = 1_000_000

_SAMPLE_ENTRY = 78
"""Bytes of a visual sample entry before its child boxes (ISO/IEC 14496-12, 12.1.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """An MP4's facts as its headers state them. Sizes in pixels, ``duration`` in seconds."""

    width: int
    height: int
    frames: int
    fps: float
    duration: float
    codec: str
    """RFC 6381, e.g. ``avc1.64001e``."""
    pix_fmt: str
    faststart: bool
    has_audio: bool
    tags: Mapping[str, str] = field(default_factory=dict)
    """Keyed metadata; of a key that occurs twice, the last."""

    @property
    def content_type(self) -> str:
        """The MIME type with the codecs parameter."""
        return f'video/mp4; codecs="{self.codec}"'


def probe(data: bytes) -> Probe:
    """Read an MP4's headers. Raises ProbeError for anything that is not one playable H.264 clip."""
    if len(data) > MAX_BYTES:
        raise ProbeError(f"{len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        check_counts(data, MAX_SAMPLES)
        codec, frames = _codec(data), _samples(data)
        faststart, tags = is_faststart(data), dict(read_tags(data))
    except BoxError as error:
        raise ProbeError(f"not a well-formed MP4: {error}") from error
    try:
        return _opened(data, codec, frames, faststart, tags)
    except (FFmpegError, OSError, ValueError, MemoryError) as error:
        raise ProbeError(f"headers cannot be read: {error}") from error


def _opened(data: bytes, codec: str, frames: int, faststart: bool, tags: Mapping[str, str]) -> Probe:
    with open_mp4(data) as container:
        streams = cast("Any", container).streams
        if len(streams.video) != 1:
            raise ProbeError(f"{len(streams.video)} video streams; a clip has one")
        stream = streams.video[0]
        if (
            stream.codec_context is None
            or not stream.average_rate
            or not stream.duration
            or not stream.time_base
            or not stream.width
        ):
            raise ProbeError("the video stream has no codec, rate, duration or size")
        return Probe(
            width=stream.width,
            height=stream.height,
            frames=frames,
            fps=float(stream.average_rate),
            duration=float(stream.duration * stream.time_base),
            codec=codec,
            pix_fmt=h264.sequence(bytes(stream.codec_context.extradata or b"")).pix_fmt,
            faststart=faststart,
            has_audio=bool(streams.audio),
            tags=tags,
        )


def _tables(data: bytes) -> list[Box]:
    """The sample tables of the tracks that hold pictures."""
    tables: list[Box] = []
    for media in find(data, "moov/trak/mdia"):
        kinds = [data[box.body + 8 : box.body + 12] for box in find(data, "hdlr", media)]
        if kinds == [b"vide"]:
            tables += find(data, "minf/stbl", media)
    if len(tables) != 1:
        raise ProbeError(f"{len(tables)} video tracks; a clip has one")
    return tables


def _samples(data: bytes) -> int:
    """Frames by the sample size table, which lists every one."""
    sizes = [box for table in _tables(data) for box in find(data, "stsz", table)]
    if len(sizes) != 1:
        raise ProbeError(f"{len(sizes)} sample size tables; a track has one")
    return number(data, sizes[0].body + 8, 4, sizes[0])


def _codec(data: bytes) -> str:
    """The codec string: the sample entry's name and the profile, constraint and level bytes of its avcC."""
    for table in _tables(data):
        for description in find(data, "stsd", table):
            for entry in boxes(data, description.body + 8, description.end):
                if entry.kind not in ("avc1", "avc3"):
                    raise ProbeError(f"the video is {entry.kind!r}, not H.264")
                for config in boxes(data, entry.body + _SAMPLE_ENTRY, entry.end):
                    if config.kind == "avcC":
                        return f"{entry.kind}.{number(data, config.body + 1, 3, config):06x}"
    raise ProbeError("no H.264 configuration (avcC) in the headers")
