"""The checks of how a file is stored: container, codec, pace and key frames. Reads headers and packets, no picture."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from av.error import FFmpegError

from model import h264
from model.boxes import Box, boxes, find, number
from model.demux import open_mp4
from model.encode import MAX_FRAMES
from model.errors import BoxError, VerifyError
from model.probe import Probe
from model.verify.verdict import Finding


def header_findings(data: bytes, headers: Probe) -> Iterator[Finding]:
    """Container, size, faststart, sound and pixels."""
    brand = next((data[box.body : box.body + 4].decode("latin-1") for box in boxes(data) if box.kind == "ftyp"), "none")
    yield Finding("container", "ok", f"MP4, brand {brand!a}, {len(data)} bytes")
    even = headers.width % 2 == 0 and headers.height % 2 == 0
    size = f"{headers.width}x{headers.height}"
    yield Finding("size", "ok", size) if even else Finding("size", "fail", size, "4:2:0 video needs even sides")
    if headers.faststart:
        yield Finding("faststart", "ok", "headers come before the pictures")
    else:
        why = "players must load the whole file first: write it with movflags=faststart"
        yield Finding("faststart", "fail", "headers come after the pictures", why)
    yield Finding("sound", "note", "there is an audio track") if headers.has_audio else Finding("sound", "ok", "none")
    if headers.pix_fmt == "yuv420p":
        yield Finding("pixels", "ok", "4:2:0, 8 bits (yuv420p)")
    else:
        yield Finding("pixels", "fail", headers.pix_fmt, "not every player shows anything but yuv420p")


class _Packet(NamedTuple):
    """A picture as it is stored, in decoding order."""

    shown: int
    """When, in units of the time base."""
    marked: bool
    """A key frame by the headers."""
    refresh: bool
    """A key frame by its own bytes: an instantaneous decoder refresh."""


def packet_findings(data: bytes, headers: Probe) -> Iterator[Finding]:
    """Codec, picture count with rate and duration, and key frames."""
    try:
        with open_mp4(data) as container:
            stream = container.streams.video[0]
            avcc = bytes(stream.codec_context.extradata or b"")
            profile, level = h264.profile(avcc)
            yield Finding("codec", "ok", f"H.264 {profile}, level {level} ({headers.codec})")
            packets = _packets(container.demux(stream), avcc)
            claimed = _claimed(data, headers)
    except (BoxError, FFmpegError, OSError, ValueError, MemoryError, VerifyError) as error:
        yield Finding("pictures", "fail", "packets cannot be read", str(error))
        return
    yield _pace(packets, headers, claimed)
    yield _key_frames(packets)


def _packets(stored: Iterator[Any], avcc: bytes) -> list[_Packet]:
    """Raises VerifyError where there are too many, ValueError for what is no progressive H.264."""
    found: list[_Packet] = []
    for packet in stored:
        if not packet.size:
            continue
        if len(found) == MAX_FRAMES:
            raise VerifyError(f"more than {MAX_FRAMES} pictures; that is no clip")
        refresh = packet.is_keyframe and h264.key_id(avcc, bytes(packet)) is not None
        found.append(_Packet(packet.pts if packet.pts is not None else len(found), packet.is_keyframe, refresh))
    return found


def _claimed(data: bytes, headers: Probe) -> list[float]:
    """Every duration that the headers claim, seconds; the movie's only where no sound could be what lasts longer."""
    media = [
        header
        for each in find(data, "moov/trak/mdia")
        if any(data[box.body + 8 : box.body + 12] == b"vide" for box in find(data, "hdlr", each))
        for header in find(data, "mdhd", each)
    ]
    movie = [] if headers.has_audio else find(data, "moov/mvhd")
    return [headers.duration, *(_seconds(data, header) for header in (*media, *movie))]


def _seconds(data: bytes, header: Box) -> float:
    """The duration of a media or movie header (ISO/IEC 14496-12, 8.2.2, 8.4.2)."""
    wide = number(data, header.body, 1, header) == 1
    at, size = header.body + (20 if wide else 12), 8 if wide else 4
    return number(data, at + 4, size, header) / max(1, number(data, at, 4, header))


def _pace(packets: Sequence[_Packet], headers: Probe, claimed: Sequence[float]) -> Finding:
    """Pictures, rate and duration, and whether they agree."""
    found = f"{len(packets)} at {headers.fps:.4g} a second, {headers.duration:.3f} s"
    if len(packets) != headers.frames:
        return Finding("pictures", "fail", found, f"the headers list {headers.frames}")
    expected = len(packets) / headers.fps
    for seconds in claimed:
        if abs(expected - seconds) > 1.5 / headers.fps:
            why = f"so many pictures at this rate last {expected:.3f} s, a header claims {seconds:.3f}"
            return Finding("pictures", "fail", found, why)
    shown = sorted(packet.shown for packet in packets)
    steps = {after - before for before, after in itertools.pairwise(shown)}
    # A rate that the time base cannot express wavers by one unit.
    if steps and max(steps) - min(steps) > 1:
        return Finding("pictures", "note", f"{found}, unevenly timed")
    return Finding("pictures", "ok", found)


def _key_frames(packets: Sequence[_Packet]) -> Finding:
    """The first picture is a key frame, and no picture needs what lies before the key frame of its group."""
    keys = sum(packet.marked for packet in packets)
    found = f"{keys} in {len(packets)} pictures"
    if not packets or not packets[0].marked or not packets[0].refresh:
        return Finding("key_frames", "fail", found, "the first picture is no key frame: players show grey, or nothing")
    earliest = packets[-1].shown
    open_at = None
    for place in range(len(packets) - 1, -1, -1):
        packet = packets[place]
        if packet.marked and (not packet.refresh or earliest < packet.shown):
            open_at = place
        earliest = min(earliest, packet.shown)
    if open_at is not None:
        why = f"the group from picture {open_at} is open: seeking there shows damage, or what lies before it"
        return Finding("key_frames", "fail", found, why)
    return Finding("key_frames", "ok", f"{found}, the first included; groups are closed")
