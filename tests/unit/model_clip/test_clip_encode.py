"""Encoding and decoding: the same frames give the same bytes, bytes hold what was asked, and bad ones are refused."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import cast

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc
from av.video.stream import VideoStream
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model import encode as module
from model.boxes import is_faststart, read_tags
from model.colour import Converter, Picture, planar_array, planes
from model.encode import Codec, choose_codec, decode, encode, encode_base, frames_of, planar_frames_of, poster
from model.engine import Frames
from model.errors import ClipError, CodecError, DecodeError, EncodeError
from model.probe import probe
from model.recipe import Encoding
from tests.unit.model_clip.samples import base_of_gradient, box, gradient, pan, photo

SIZE = (128, 96)


def encoded(frames: Frames, encoding: Encoding | None = None, tags: Mapping[str, str] | None = None) -> bytes:
    """Frames of any size as a file."""
    return encode(frames, (frames.shape[2], frames.shape[1]), 24, encoding or Encoding(), tags or {})


def psnr(one: Frames, other: Frames) -> float:
    """Peak signal to noise ratio, dB."""
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))


def test_the_same_frames_give_the_same_bytes() -> None:
    """Encoding is a function: nothing of clock, library version or chance is in the file."""
    frames = pan(30)
    first, again = (encoded(frames, tags={"AIGC": "{}", "comment": "x"}) for _ in range(2))
    assert first == again
    assert not any(word in first for word in (b"x264", b"Lavf", b"Lavc"))


@pytest.mark.parametrize("size", [(180, 320), (200, 200), (320, 240)])
@pytest.mark.parametrize("preset", ["veryfast", "ultrafast"])
def test_bytes_do_not_depend_on_the_processor(
    size: tuple[int, int], preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run after run, and with every instruction set or none, the same bytes: recipes name them across machines."""
    frames = list(_planar(pan(30, size[1], size[0], step=2)))
    encoding = Encoding(preset=preset)
    runs = {encode(frames, size, 24, encoding, {}) for _ in range(3)}
    plain = module._options
    for instructions in ("SSE2", "0"):

        def limited(name: str, encoding: Encoding, instructions: str = instructions) -> dict[str, str]:
            options = plain(name, encoding)
            return options | {"x264-params": f"{options['x264-params']}:asm={instructions}"}

        monkeypatch.setattr(module, "_options", limited)
        runs.add(encode(frames, size, 24, encoding, {}))
    assert len(runs) == 1


def test_bytes_do_not_depend_on_what_else_is_encoded_at_the_time() -> None:
    """Threads of a pool, different clips side by side: every clip has the bytes it has alone."""
    clips = [pan(12, seed=seed) for seed in range(4)]
    alone = [encoded(clip) for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(encoded, clips * 3)) == alone * 3


def test_headers_come_first_and_say_what_the_pictures_are() -> None:
    """Faststart, H.264 yuv420p, BT.709 in TV range, at the asked size and rate, without creation time."""
    data = encode(gradient(12), SIZE, 30, Encoding(), {})
    assert is_faststart(data)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (stream.width, stream.height, stream.average_rate, stream.frames) == (*SIZE, Fraction(30), 12)
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert context.color_range == ColorRange.MPEG
        assert context.color_primaries == ColorPrimaries.BT709
        assert context.color_trc == ColorTrc.BT709
        assert context.colorspace == 1  # AVCOL_SPC_BT709
        assert "creation_time" not in container.metadata


@pytest.mark.parametrize("gop", [1, 5, 24])
def test_key_frames_are_where_the_gop_says(gop: int) -> None:
    """Fixed GOPs, even over hard cuts: segments can be joined at every one."""
    frames = np.concatenate([gradient(13), pan(13), 255 - gradient(13)])
    with av.open(io.BytesIO(encoded(frames, Encoding(gop=gop))), "r") as container:
        keys = [index for index, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert keys == list(range(0, len(frames), gop))


@pytest.mark.parametrize("gop", [6, 24])
def test_gops_are_closed(gop: int) -> None:
    """A decoder that starts at any key frame gets every picture from there on, right."""
    data = encoded(pan(30), Encoding(gop=gop))
    whole = list(planar_frames_of(data))
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        starts = [index for index, packet in enumerate(packets) if packet.is_keyframe]
        decoder = av.CodecContext.create("h264", "r")
        decoder.extradata = stream.codec_context.extradata
        tail = [frame for packet in packets[starts[-1] :] for frame in decoder.decode(packet)] + decoder.decode(None)
    got = [planar_array(frame) for frame in tail]
    assert len(got) == len(whole) - starts[-1]
    assert all((one == other).all() for one, other in zip(got, whole[starts[-1] :], strict=True))


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (240, 200, 20)])
def test_colours_survive_encoding(colour: tuple[int, int, int]) -> None:
    """A pure colour comes back within three levels, through the base and through the delivery encoding."""
    frames = np.full((3, 96, 128, 3), colour, np.uint8)
    for data in (encode_base(frames, 24), encoded(frames)):
        assert np.abs(decode(data).astype(int) - frames).max() <= 3


def test_a_base_is_visually_lossless() -> None:
    """The base keeps a photo's luma above 42 dB and a gradient's above 48; delivery may lose more, the base may not."""
    for frames, least in ((pan(24), 42), (gradient(24), 48)):
        stored = np.stack([planes(picture)[0] for picture in planar_frames_of(encode_base(frames, 24))])
        given_ = np.stack([planes(picture)[0] for picture in _planar(frames)])
        assert psnr(stored, given_) > least


def _planar(frames: Frames) -> Iterator[Picture]:
    converter = Converter()
    return (planar_array(converter.to_yuv(frame)) for frame in frames)


def test_planar_frames_are_taken_as_they_are() -> None:
    """I420 pictures and the RGB they come from give the same file."""
    frames = pan(6)
    assert encode(_planar(frames), SIZE, 24, Encoding(), {}) == encoded(frames)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z]{1,4}[a-z]{1,8}", fullmatch=True).filter(str.istitle),
        st.text('abcXYZ {}":,中文é', min_size=1, max_size=60),
        max_size=4,
    )
)
@settings(max_examples=20)
def test_tags_are_in_the_file(tags: dict[str, str]) -> None:
    """Every key and value given is read back from the bytes, whatever MP4 thinks of the key."""
    written = dict(read_tags(encode(gradient(1, 48, 64), (64, 48), 24, Encoding(), tags)))
    assert written == tags


def test_frames_are_taken_one_by_one() -> None:
    """The encoder never asks for a frame before it has used the ones before: memory stays flat."""
    alive = 0
    peak = 0

    class Counted(np.ndarray[tuple[int, ...], np.dtype[np.uint8]]):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def frames() -> Iterator[Picture]:
        nonlocal alive, peak
        for frame in gradient(40):
            alive += 1
            peak = max(peak, alive)
            yield frame.copy().view(Counted)

    encode(frames(), SIZE, 24, Encoding(), {})
    assert peak <= 4


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([], "no frames"),
        ([np.zeros((96, 130, 3), np.uint8)], "frame 0 is uint8"),
        ([np.zeros((96, 128, 3), np.uint8), np.zeros((98, 128, 3), np.uint8)], "frame 1 is"),
        ([np.zeros((96, 128, 3), np.float32)], "float32"),
        ([np.zeros((96, 128, 4), np.uint8)], "not RGB or I420"),
    ],
)
def test_frames_of_the_wrong_kind_are_refused(frames: list[Picture], reason: str) -> None:
    """The error names the frame and what it should have been."""
    with pytest.raises(EncodeError, match=reason):
        encode(frames, SIZE, 24, Encoding(), {})


@pytest.mark.parametrize(
    "frames", [np.zeros((3, 48, 64), np.uint8), np.zeros((48, 64, 3), np.uint8), np.zeros((2, 48, 64, 3), np.float64)]
)
def test_a_base_needs_a_stack_of_rgb_frames(frames: Frames) -> None:
    """Anything but (frames, height, width, 3) of uint8 is refused before an encoder sees it."""
    with pytest.raises(EncodeError, match="frames must be uint8"):
        encode_base(frames, 24)


def test_an_encoder_that_refuses_is_an_encode_error() -> None:
    """What the encoder itself refuses carries its name, the size and the reason."""
    with pytest.raises(EncodeError, match="libx264: 128x96 at 24 fps"):
        encode(gradient(2), SIZE, 24, Encoding(preset="no such preset"), {})


def test_an_error_in_the_source_of_frames_passes_through() -> None:
    """A broken base, met while its frames are being taken, is reported as what it is."""
    with pytest.raises(DecodeError):
        encode(frames_of(b"nonsense"), SIZE, 24, Encoding(), {})


def test_the_codec_is_chosen_once_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    """Software H.264 is the first choice and works here; the choice is logged once with its reason."""
    choose_codec.cache_clear()
    with caplog.at_level("INFO", logger="model.encode"):
        assert choose_codec() == choose_codec("h264") == Codec("libx264", "first choice, tried")
    assert len([r for r in caplog.records if "libx264" in r.message]) <= 2


def test_an_encoder_that_does_not_work_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder without its hardware, or not in this build, gives way to the next; the reason names it."""
    choose_codec.cache_clear()
    monkeypatch.setitem(module._FAMILIES, "h264", ("h264_nvenc", "libopenh264", "libx264"))
    chosen = choose_codec()
    choose_codec.cache_clear()
    if chosen.name == "libx264":
        assert "h264_nvenc (" in chosen.reason
        assert "libopenh264 (" in chosen.reason
    else:
        assert chosen.name in ("h264_nvenc", "libopenh264")


def test_an_encoder_that_drops_frames_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder is believed only when its file decodes to as many frames as it was given."""
    monkeypatch.setattr(module, "_decoded", lambda _data: iter(range(2)))
    assert module._try("libx264") == "made 2 frames of 3"


def test_no_encoder_at_all_says_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any encoder the error lists each with its reason."""
    choose_codec.cache_clear()
    monkeypatch.setitem(module._FAMILIES, "h264", ("no_such_encoder",))
    with pytest.raises(CodecError, match=r"no_such_encoder \("):
        choose_codec()
    with pytest.raises(CodecError, match="'vp6' is not one of h264"):
        choose_codec("vp6")


@pytest.mark.parametrize("name", ["h264_nvenc", "libopenh264"])
def test_every_encoder_is_told_the_quality_and_the_gop(name: str) -> None:
    """The options of the encoders that this machine lacks name the recipe's quality too."""
    assert "33" in module._options(name, Encoding(crf=33)).values()


def test_slow_presets_are_left_as_they_are() -> None:
    """Only the quick presets are tuned; a slow one is asked for by someone who wants what it does."""
    assert "subme" in module._options("libx264", Encoding(preset="veryfast"))["x264-params"]
    assert "subme" not in module._options("libx264", Encoding(preset="slow"))["x264-params"]


def test_decoding_streams_and_collects_the_same_frames() -> None:
    """``decode`` is ``frames_of`` in one array."""
    data = base_of_gradient()
    assert (np.stack(list(frames_of(data))) == decode(data)).all()
    assert decode(data).shape == (24, 96, 128, 3)


@pytest.mark.parametrize("keep", [0, 10, 500, 0.5, 0.9, -1])
def test_a_cut_file_is_a_decode_error(keep: float) -> None:
    """However much of a file is missing, it is refused and never decoded to fewer frames."""
    data = encoded(pan(30))
    kept = data[: int(len(data) * keep)] if isinstance(keep, float) else data[: int(keep)]
    with pytest.raises(DecodeError):
        decode(kept)


def test_a_file_whose_headers_promise_more_is_a_decode_error() -> None:
    """Frames that the headers list and the pictures lack are missed."""
    data = bytearray(encoded(gradient(12)))
    sizes = data.index(b"stsz") + 4 + 12
    data[sizes + 4 * 11 : sizes + 4 * 12] = (0).to_bytes(4, "big")
    with pytest.raises(DecodeError, match=r"of 12 in the headers|not a decodable"):
        decode(bytes(data))


def test_damaged_pictures_are_a_decode_error() -> None:
    """Overwritten picture data is not smoothed over: what decodes with damage is refused."""
    data = bytearray(encoded(pan(30)))
    start = data.index(b"mdat") + 400
    data[start : start + 600] = bytes(600)
    with pytest.raises(DecodeError):
        decode(bytes(data))


def other_video(codec: str, pix_fmt: str, size: tuple[int, int] = (64, 48)) -> bytes:
    """An MP4 that is not one of ours."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = cast("VideoStream", container.add_stream(codec, rate=24))
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        container.mux(stream.encode(av.VideoFrame(*size, pix_fmt)))
        container.mux(stream.encode(None))
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (other_video("mpeg4", "yuv420p"), "mpeg4, not h264"),
        (other_video("libx264", "yuv444p"), "yuv444p"),
        (other_video("libx264", "yuv444p", (63, 47)), "63x47 is not even"),
        (box(b"ftyp", b"isom\0\0\0\0") + box(b"mdat"), "not a decodable MP4"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not a decodable MP4"),
    ],
)
def test_other_videos_are_refused(data: bytes, reason: str) -> None:
    """Another codec, pixel format or container is no clip; a playlist is never followed."""
    with pytest.raises(DecodeError, match=reason):
        decode(data)


def test_sound_alone_is_no_clip() -> None:
    """A file without video is refused."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(DecodeError, match="no video stream"):
        decode(out.getvalue())


def test_more_frames_than_any_clip_has_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound holds by the headers, and by counting where the headers lie."""
    data = base_of_gradient()
    monkeypatch.setattr(module, "MAX_FRAMES", 10)
    with pytest.raises(DecodeError, match="at most 10"):
        decode(data)
    monkeypatch.setattr(module, "check_counts", lambda _data, _most: None)
    with pytest.raises(DecodeError, match="at most 10"):
        decode(data)
    monkeypatch.setattr(module, "_video_of", lambda streams: streams[0])
    with pytest.raises(DecodeError, match="more than 10"):
        decode(data)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_bytes_do_more_than_raise_a_clip_error(draw: st.DataObject) -> None:
    """A real file with any of its bytes changed is decoded, probed, or refused with a ClipError."""
    data = bytearray(base_of_gradient(3, 64, 48))
    for place in draw.draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=5)):
        data[place] = draw.draw(st.sampled_from([0, 1, 13, 127, 128, 255]))
    with contextlib.suppress(ClipError):
        sum(1 for _ in planar_frames_of(bytes(data)))
    with contextlib.suppress(ClipError):
        probe(bytes(data))


def test_a_small_file_cannot_claim_gigabytes() -> None:
    """Counts far beyond the file are refused before a library allocates what they claim."""
    data = bytearray(encoded(gradient(2), tags={"key": "value"}))
    place = data.index(b"keys") + 8
    data[place : place + 4] = (0x0D000001).to_bytes(4, "big")
    with pytest.raises(DecodeError, match="not a decodable"):
        decode(bytes(data))


def test_a_poster_is_a_progressive_jpeg_of_the_frame() -> None:
    """The poster has the frame's size and colours, and is the same bytes every time."""
    picture = photo(96, 128, 4)
    data = poster(picture)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (128, 96), "RGB")
        assert image.info["progressive"]
        assert np.abs(np.asarray(image).astype(int) - picture).mean() < 8
    assert poster(np.asfortranarray(picture)) == data
