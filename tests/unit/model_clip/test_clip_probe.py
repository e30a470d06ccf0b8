"""Probing: a finished file's facts are read from its headers, and anything else is refused."""

from __future__ import annotations

import io
from typing import cast

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from model import probe as module
from model.encode import encode
from model.errors import ProbeError
from model.probe import Probe, probe
from model.recipe import Encoding
from tests.unit.model_clip.samples import base_of_gradient, box, gradient, meta, pan


def test_a_probe_states_what_was_encoded() -> None:
    """Size, frames, rate, duration, tags and layout are those of the file."""
    data = encode(pan(36, 96, 128), (128, 96), 30, Encoding(), {"comment": "made by hand", "AIGC": "{}"})
    found = probe(data)
    assert found == Probe(
        width=128,
        height=96,
        frames=36,
        fps=30.0,
        duration=1.2,
        codec=found.codec,
        pix_fmt="yuv420p",
        faststart=True,
        has_audio=False,
        tags={"comment": "made by hand", "AIGC": "{}"},
    )


@pytest.mark.parametrize(
    ("size", "preset", "codec"),
    [
        ((640, 480), "veryfast", "avc1.64001e"),
        ((854, 480), "veryfast", "avc1.64001e"),
        ((64, 48), "ultrafast", "avc1.42c00a"),
    ],
)
def test_the_codec_string_names_profile_and_level(size: tuple[int, int], preset: str, codec: str) -> None:
    """RFC 6381: High is 64, Constrained Baseline 42c0; the level follows the size."""
    width, height = size
    found = probe(encode(gradient(3, height, width), size, 24, Encoding(preset=preset), {}))
    assert found.codec == codec
    assert found.content_type == f'video/mp4; codecs="{codec}"'


def test_headers_at_the_end_are_seen() -> None:
    """A file that is not faststart is said not to be."""
    assert not probe(other(movflags="")).faststart
    assert probe(other(movflags="faststart")).faststart


def test_sound_is_seen() -> None:
    """An audio track is reported, beside the one of video."""
    assert probe(other(audio=True)).has_audio


def other(*, codec: str = "libx264", audio: bool = False, videos: int = 1, movflags: str = "", path: str = "") -> bytes:
    """An MP4 made by the muxer alone, with what a clip of ours never has."""
    out = io.BytesIO()
    with av.open(path or out, "w", format="mp4", options={"movflags": movflags} if path else {}) as container:
        streams = [cast("VideoStream", container.add_stream(codec, rate=24)) for _ in range(videos)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=44100) if audio else None
        for stream in streams:
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
            container.mux(stream.encode(None))
        if sound is not None:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            samples.sample_rate = 44100
            for packet in [*sound.encode(samples), *sound.encode(None)]:
                container.mux(packet)
    return _front(out.getvalue()) if movflags == "faststart" else out.getvalue()


def _front(data: bytes) -> bytes:
    """The same boxes with the headers first (sample offsets do not matter to a probe)."""
    place = data.index(b"moov") - 4
    first = int.from_bytes(data[:4], "big")
    return data[:first] + data[place:] + data[first:place]


VIDEO = box(b"mdia", box(b"hdlr", bytes(8) + b"vide" + bytes(12)) + box(b"minf", box(b"stbl")))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 video tracks"),
        (b"GIF89a" + bytes(100), "not a well-formed MP4"),
        (box(b"ftyp", b"isom"), "0 video tracks"),
        (box(b"moov", box(b"trak", VIDEO) * 2), "2 video tracks"),
        (box(b"moov", box(b"trak", VIDEO)), "no H.264 configuration"),
        (box(b"moov", meta(("k", "v"))[:-1] + b""), "not a well-formed"),
    ],
)
def test_what_is_no_clip_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    """Nothing, another format, no video, two videos, no codec: each is a ProbeError that says so."""
    with pytest.raises(ProbeError, match=reason):
        probe(data)


def test_another_codec_is_refused() -> None:
    """A clip is H.264."""
    with pytest.raises(ProbeError, match=r"'mp4v', not H\.264"):
        probe(other(codec="mpeg4"))


def test_two_videos_are_refused() -> None:
    """A clip has one video track, so that players and inspection see the same."""
    with pytest.raises(ProbeError, match="2 video"):
        probe(other(videos=2))


@pytest.mark.parametrize("keep", [8, 40, 300, 900])
def test_cut_headers_are_refused(keep: int) -> None:
    """A file cut within its headers cannot be probed."""
    with pytest.raises(ProbeError):
        probe(base_of_gradient()[:keep])


def test_headers_that_only_libav_refuses_are_a_probe_error() -> None:
    """Boxes may be in order and their content nonsense all the same."""
    data = bytearray(base_of_gradient())
    data[data.index(b"mdhd") + 16 : data.index(b"mdhd") + 20] = bytes(4)  # a time scale of 0
    data[data.index(b"stts") + 8 : data.index(b"stts") + 20] = bytes(12)
    with pytest.raises(ProbeError):
        probe(bytes(data))


def test_a_track_needs_exactly_one_size_table() -> None:
    """Without a sample size table the number of frames is unknown."""
    data = base_of_gradient().replace(b"stsz", b"free")
    with pytest.raises(ProbeError, match="0 sample size tables"):
        probe(data)


def test_a_file_beyond_all_bounds_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes beyond the bound are refused by their number alone."""
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(ProbeError, match="at most 100"):
        probe(base_of_gradient())
