"""H.264 headers: what is read of them is what libav says of the same file, and no bytes do harm."""

from __future__ import annotations

import io
from contextlib import suppress

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.h264 import key_id, sequence


def made(pix_fmt: str, *, full: bool = False, options: dict[str, str] | None = None) -> tuple[bytes, list[bytes], str]:
    """Decoder configuration and packets of a few grey frames, and libav's word for their pixel format."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24, options=options or {})
        stream.width, stream.height, stream.pix_fmt = 96, 64, pix_fmt
        if full:
            stream.codec_context.color_range = 2
        for index in range(6):
            grey = np.full((64, 96, 3), 40 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format=pix_fmt)
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(io.BytesIO(out.getvalue()), "r") as container:
        stream = container.streams.video[0]
        packets = [bytes(packet) for packet in container.demux(stream) if packet.size]
        return bytes(stream.codec_context.extradata or b""), packets, str(stream.codec_context.pix_fmt)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le"])
def test_the_pixel_format_is_libavs(pix_fmt: str) -> None:
    """Subsampling and depth, from the parameters alone."""
    setup, _, named = made(pix_fmt)
    assert sequence(setup).pix_fmt == named == pix_fmt


def test_the_full_range_is_seen() -> None:
    """Players that ignore the flag show such a file too dark: it counts as another format, as it does for libav."""
    setup, _, named = made("yuv420p", full=True)
    assert sequence(setup).pix_fmt == named == "yuvj420p"


@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
def test_every_profile_is_read(profile: str) -> None:
    """Parameters without a chroma format mean 4:2:0."""
    setup, packets, _ = made("yuv420p", options={"profile": profile})
    assert sequence(setup).pix_fmt == "yuv420p"
    assert key_id(setup, packets[0]) == 0


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p"])
def test_scaling_lists_are_passed_over(pix_fmt: str) -> None:
    """What stands after them is read all the same."""
    lists = "cqm4=" + ",".join(str(16 + at % 7) for at in range(16)) + ":cqm8=" + ",".join(["17"] * 64)
    setup, packets, named = made(pix_fmt, full=True, options={"x264-params": f"{lists}:keyint=4"})
    assert sequence(setup).pix_fmt == named
    assert key_id(setup, packets[0]) == 0


def test_only_key_frames_have_a_number() -> None:
    """And they take 0 and 1 in turn."""
    setup, packets, _ = made("yuv420p", options={"x264-params": "keyint=2:min-keyint=1:scenecut=0"})
    assert [key_id(setup, packet) for packet in packets] == [0, None, 1, None, 0, None]


def test_interlaced_video_has_no_such_number() -> None:
    """Its slices say more before it; it is refused, not misread."""
    setup, packets, _ = made("yuv420p", options={"x264-params": "interlaced=1"})
    with pytest.raises(ValueError, match="interlaced"):
        key_id(setup, packets[0])


@given(st.binary(max_size=60))
def test_hostile_bytes_end_in_a_value_error(data: bytes) -> None:
    """Whatever the bytes, the answer is a value or a ValueError, at once."""
    for head in (b"", b"\x01\x64\x00\x1e\xff\xe1\x00\x20", b"\x01\x42\x00\x1e\xff\xe1\x00\x08"):
        with suppress(ValueError):
            sequence(head + data)
            key_id(head + data, data)


@given(st.binary(max_size=80))
def test_hostile_samples_end_in_a_value_error(data: bytes) -> None:
    """A sample's lengths may claim anything."""
    setup, _, _ = HIGH
    with suppress(ValueError):
        assert key_id(setup, data) in (None, *range(65_536))


HIGH = made("yuv420p")
