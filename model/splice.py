"""Files joined packet by packet, without encoding anything again, and proof that a joined file is its parts.

Knows streams and packets; knows no recipe, picture or label. What is joined must have been encoded with the same
settings and closed groups of pictures (``encode``): then each part decodes as it did alone.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from model.boxes import boxes, check_counts, find
from model.demux import open_mp4
from model.encode import MAX_FRAMES, MUXER
from model.errors import BoxError, SpliceError
from model.h264 import key_id

_SAMPLE_ENTRY = 78
"""Bytes of a visual sample entry before its child boxes (ISO/IEC 14496-12, 12.1.3)."""
_AVERAGE = slice(8, 12)
"""Where a ``btrt`` box's content has the average bit rate (ISO/IEC 14496-12, 8.5.2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One file's video: its decoder configuration, its pace, and its packets in decoding order."""

    stream: VideoStream
    setup: bytes
    size: tuple[int, int]
    time_base: Fraction
    step: int
    """Duration of every picture, in units of the time base."""
    packets: Sequence[Packet[VideoStream]]

    @property
    def form(self) -> tuple[bytes, tuple[int, int], Fraction]:
        """What must be equal for parts to be joined: decoder configuration, size, seconds of a picture."""
        return self.setup, self.size, self.step * self.time_base


def splice(body: bytes, segment: bytes | None, tags: Mapping[str, str]) -> bytes:
    """The body, the segment after it, and the tags, in one faststart MP4; every packet is copied as it is.

    Without a segment the result is what ``encode`` would have made of the body's pictures with these tags, byte for
    byte. Costs a few milliseconds and one temporary file.

    Args:
        body: A clip made by ``encode``, without tags of its own (they would be lost).
        segment: One made with the same size, rate and settings; with ``after_key`` where ``ends_in_key(body)``.
        tags: Metadata keys and values of the result.

    Raises:
        SpliceError: The parts differ in what a decoder must know before the first picture, are not evenly timed, or
            are no clips at all.
    """
    try:
        with ExitStack() as stack:
            parts = [_opened(data, stack) for data in (body, segment) if data is not None]
            for part in parts[1:]:
                _check_alike(parts[0], part)
            for one, other in itertools.pairwise(parts):
                _check_seam(one, other)
            # A real file: the muxer reopens it by name to move the headers to the front.
            with tempfile.TemporaryDirectory(prefix="skureel-") as folder:
                path = Path(folder) / "clip.mp4"
                _mux(path, parts, tags)
                return _without_average(path.read_bytes())
    except (BoxError, FFmpegError, OSError, ValueError, MemoryError) as error:
        raise SpliceError(f"cannot be joined: {error}") from error


def ends_in_key(body: bytes) -> bool:
    """True when a segment for this body must be encoded with ``after_key``: its last picture is a key frame numbered 0.

    So it is with 49 or 97 pictures in groups of 24. Raises SpliceError for what is no clip.
    """
    try:
        with ExitStack() as stack:
            part = _opened(body, stack)
            return _key_id(part, part.packets[-1]) == 0
    except (BoxError, FFmpegError, OSError, ValueError, MemoryError) as error:
        raise SpliceError(f"no clip: {error}") from error


def joint_faults(data: bytes, parts: Sequence[bytes]) -> list[str]:
    """What keeps a file from being its parts one after the other; empty when it decodes as they do.

    The same packets in the same order at an even pace, and the same decoder configuration: so, with parts whose every
    picture was decoded when they were made, nothing is left that decoding the file could show.
    """
    try:
        with ExitStack() as stack:
            whole = _opened(data, stack)
            pieces = [_opened(part, stack) for part in parts]
            faults = [f"part {at} has another setup" for at, piece in enumerate(pieces) if piece.form != whole.form]
            expected = [packet for piece in pieces for packet in piece.packets]
            if len(whole.packets) != len(expected):
                return [*faults, f"{len(whole.packets)} pictures; its parts have {len(expected)}"]
            pairs = enumerate(zip(whole.packets, expected, strict=True))
            changed = [at for at, (found, packet) in pairs if not _same(found, packet)]
            return faults + ([f"picture {changed[0]} is not its part's"] if changed else [])
    except (BoxError, FFmpegError, OSError, ValueError, MemoryError, SpliceError) as error:
        return [str(error)]


def _opened(data: bytes, stack: ExitStack) -> _Part:
    check_counts(data, MAX_FRAMES)
    container: InputContainer = stack.enter_context(open_mp4(data))
    streams = container.streams.video
    if len(container.streams) != 1 or len(streams) != 1 or getattr(streams[0].codec_context, "name", "") != "h264":
        raise SpliceError("not one H.264 video and nothing else")
    stream = streams[0]
    packets = [packet for packet in container.demux(stream) if packet.size]
    if not packets or not packets[0].is_keyframe or stream.time_base is None:
        raise SpliceError("does not start with a key frame")
    return _Part(
        stream=stream,
        setup=bytes(stream.codec_context.extradata or b""),
        size=(stream.width, stream.height),
        time_base=stream.time_base,
        step=_step(packets),
        packets=packets,
    )


def _step(packets: Sequence[Packet[VideoStream]]) -> int:
    """The one duration of all pictures. Raises SpliceError when they are not shown one after the other from 0."""
    step = packets[0].duration or 0
    shown = sorted(-1 if packet.pts is None else packet.pts for packet in packets)
    stored = [packet.dts for packet in packets]
    first = stored[0]
    even = shown == [step * at for at in range(len(packets))] and first is not None
    if not even or step < 1 or stored != [(first or 0) + step * at for at in range(len(packets))]:
        raise SpliceError("its pictures are not evenly timed from 0")
    return step


def _check_alike(one: _Part, other: _Part) -> None:
    if one.size != other.size:
        raise SpliceError(f"the segment is {other.size[0]}x{other.size[1]}, the body {one.size[0]}x{one.size[1]}")
    if one.form[2] != other.form[2]:
        raise SpliceError("segment and body have different rates")
    if one.setup != other.setup:
        raise SpliceError("segment and body were encoded with different settings")
    if one.time_base != other.time_base:
        raise SpliceError("segment and body count time in different units")


def _check_seam(one: _Part, other: _Part) -> None:
    """Two key frames in a row must not carry the same number."""
    last = _key_id(one, one.packets[-1])
    if last is not None and last == _key_id(other, other.packets[0]):
        raise SpliceError("the segment's first key frame has the number of the body's last; encode it with after_key")


def _key_id(part: _Part, packet: Packet[VideoStream]) -> int | None:
    return key_id(part.setup, bytes(packet)) if packet.is_keyframe else None


def _mux(path: Path, parts: Sequence[_Part], tags: Mapping[str, str]) -> None:
    with av.open(str(path), "w", format="mp4", options=MUXER) as container:
        container.metadata.update(tags)
        stream = container.add_stream_from_template(parts[0].stream)
        for packet in _shifted(parts):
            packet.stream = stream
            container.mux(packet)


def _shifted(parts: Sequence[_Part]) -> Iterator[Packet[VideoStream]]:
    """All packets, timed as one clip: decoding starts as early as the part with the most reordering needs."""
    start, decoded = 0, min(part.packets[0].dts or 0 for part in parts)
    for part in parts:
        for packet in part.packets:
            packet.pts, packet.dts = start + (packet.pts or 0), decoded
            decoded += part.step
            yield packet
        start += part.step * len(part.packets)


def _same(one: Packet[VideoStream], other: Packet[VideoStream]) -> bool:
    return one.is_keyframe == other.is_keyframe and one.size == other.size and bytes(one) == bytes(other)


def _without_average(data: bytes) -> bytes:
    """The average bit rate set to 0, which says that none was aimed at, as in every file that ``encode`` makes.

    libav's muxer takes it from the stream that was copied: the body's own, which is not that of the whole.
    """
    changed = bytearray(data)
    for description in find(data, "moov/trak/mdia/minf/stbl/stsd"):
        for entry in boxes(data, description.body + 8, description.end):
            for box in boxes(data, entry.body + _SAMPLE_ENTRY, entry.end):
                if box.kind == "btrt" and box.end - box.body >= _AVERAGE.stop:
                    changed[box.body + _AVERAGE.start : box.body + _AVERAGE.stop] = bytes(4)
    return bytes(changed)
