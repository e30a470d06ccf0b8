"""Joining: packets are copied as they are, the joined file decodes as its parts do, and unlike parts are refused."""

from __future__ import annotations

import io
import itertools
from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.boxes import is_faststart, read_tags
from model.encode import decode, encode, planar_frames_of
from model.errors import SpliceError
from model.h264 import key_id
from model.probe import probe
from model.recipe import Encoding
from model.splice import ends_in_key, joint_faults, splice
from tests.unit.model_clip.samples import gradient, pan

TAGS = {"AIGC": '{"Label":"1"}', "comment": "made for a test", "recipe": "0" * 64}
PRESETS = ["veryfast", "ultrafast", "medium"]


@cache
def clip(
    frames: int,
    *,
    preset: str = "veryfast",
    crf: int = 21,
    gop: int = 24,
    size: tuple[int, int] = (128, 96),
    fps: int = 24,
    seed: int = 1,
    after_key: bool = False,
) -> bytes:
    """A clip without tags."""
    how = Encoding(preset=preset, crf=crf, gop=gop)
    return encode(pan(frames, size[1], size[0], seed=seed), size, fps, how, {}, after_key=after_key)


def samples(data: bytes) -> tuple[bytes, list[tuple[int, int, bool, bytes]]]:
    """The decoder configuration, and presentation time, decoding time, key and bytes of every packet."""
    with av.open(io.BytesIO(data), "r", format="mp4") as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert all(packet.pts is not None and packet.dts is not None for packet in packets)
        found = [(packet.pts or 0, packet.dts or 0, packet.is_keyframe, bytes(packet)) for packet in packets]
        return bytes(stream.codec_context.extradata or b""), found


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("frames", [1, 2, 24, 25, 49, 60])
def test_tags_alone_give_the_bytes_of_encoding_with_them(preset: str, frames: int) -> None:
    """A stored body becomes the very file that encoding would have made, so a digest still names one file."""
    how = Encoding(preset=preset)
    pictures = pan(frames)
    assert splice(encode(pictures, (128, 96), 24, how, {}), None, TAGS) == encode(pictures, (128, 96), 24, how, TAGS)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("frames", [1, 23, 24, 25, 49, 73])
def test_a_joined_file_decodes_as_its_parts_do(preset: str, frames: int) -> None:
    """Every picture, the last of the body and the first of the segment too, is the one that the part alone shows."""
    body = clip(frames, preset=preset)
    segment = clip(13, preset=preset, seed=2, after_key=ends_in_key(body))
    shown = decode(splice(body, segment, TAGS))
    assert len(shown) == frames + 13
    assert (shown[:frames] == decode(body)).all()
    assert (shown[frames:] == decode(segment)).all()


@pytest.mark.parametrize("frames", [1, 24, 49])
def test_time_runs_evenly_through_the_seam(frames: int) -> None:
    """Pictures are shown one frame apart from 0 to the end, and no packet is due before it is decoded."""
    body = clip(frames)
    joined = splice(body, clip(13, seed=2, after_key=ends_in_key(body)), {})
    _, packets = samples(joined)
    shown = sorted(pts for pts, *_ in packets)
    assert {after - before for before, after in itertools.pairwise(shown)} == {512}
    assert shown[0] == 0
    stored = [dts for _, dts, *_ in packets]
    assert {after - before for before, after in itertools.pairwise(stored)} == {512}
    assert all(dts <= pts for pts, dts, *_ in packets)
    headers = probe(joined)
    assert headers.frames == frames + 13
    assert headers.duration == pytest.approx((frames + 13) / 24)
    assert headers.fps == pytest.approx(24)


def test_a_joined_file_carries_its_tags_once_and_its_headers_first() -> None:
    """Labels are read from the file itself; tags of the parts do not come along."""
    body = splice(clip(24), None, {"AIGC": "old", "other": "x"})
    joined = splice(body, clip(12, seed=2), TAGS)
    assert sorted(read_tags(joined)) == sorted(TAGS.items())
    assert is_faststart(joined)


def test_joining_is_repeatable() -> None:
    """The same parts and tags give the same bytes."""
    first, second = (splice(clip(30), clip(12, seed=2), TAGS) for _ in range(2))
    assert first == second


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 60), st.sampled_from([1, 6, 12, 24]), st.sampled_from(PRESETS))
def test_neighbouring_key_frames_never_carry_one_number(frames: int, gop: int, preset: str) -> None:
    """So the standard asks (H.264 7.4.3): decoders may take two key frames with one number for one picture."""
    body = clip(frames, gop=gop, preset=preset)
    joined = splice(body, clip(5, gop=gop, preset=preset, seed=2, after_key=ends_in_key(body)), {})
    setup, packets = samples(joined)
    numbers = [key_id(setup, data) for *_, data in packets]
    assert all(one is None or one != other for one, other in itertools.pairwise(numbers))
    assert [number is not None for number in numbers] == [key for _, _, key, _ in packets]


def test_a_segment_with_the_number_of_the_key_frame_before_it_is_refused() -> None:
    """49 pictures end in a lone key frame numbered 0; a segment that starts with 0 does not follow it."""
    assert ends_in_key(clip(49))
    with pytest.raises(SpliceError, match="after_key"):
        splice(clip(49), clip(12, seed=2), {})
    for frames in (24, 48, 72, 73):
        assert not ends_in_key(clip(frames))


def test_a_segment_after_a_key_frame_differs_in_that_number_alone() -> None:
    """It has the same length, pace and decoder configuration, and shows the same within the encoder's tolerance."""
    plain, after = clip(30, seed=2), clip(30, seed=2, after_key=True)
    assert samples(plain)[0] == samples(after)[0]
    assert [row[:3] for row in samples(plain)[1]] == [row[:3] for row in samples(after)[1]]
    assert np.abs(decode(plain).astype(int) - decode(after).astype(int)).mean() < 2.5


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (clip(12, crf=30), "different settings"),
        (clip(12, preset="ultrafast"), "different settings"),
        (clip(12, size=(96, 128)), "96x128"),
        (clip(12, fps=25), "different rates"),
    ],
    ids=["quality", "preset", "size", "rate"],
)
def test_unlike_parts_are_refused(other: bytes, reason: str) -> None:
    """What a decoder must know before the first picture has to be equal; the error says what is not."""
    with pytest.raises(SpliceError, match=reason):
        splice(clip(24), other, {})


def test_what_is_no_evenly_timed_clip_is_refused() -> None:
    """Half a file, no file, a file with sound and one with a pause are no parts."""
    body = clip(24)
    for data in (b"", b"junk" * 100, body[: len(body) // 2], with_pause()):
        with pytest.raises(SpliceError):
            splice(data, None, {})
        with pytest.raises(SpliceError):
            splice(body, data, {})
    with pytest.raises(SpliceError, match="no clip"):
        ends_in_key(b"junk")


def with_pause() -> bytes:
    """A clip whose fifth picture comes late."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 24)
        for index, picture in enumerate(gradient(8)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = index if index < 4 else index + 10
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def test_a_joint_is_proved_by_its_parts() -> None:
    """A joined file has no faults beside its parts; with a part left out, changed or put elsewhere it has."""
    body, segment = clip(24), clip(12, seed=2)
    joined = splice(body, segment, TAGS)
    assert joint_faults(joined, (body, segment)) == []
    assert joint_faults(splice(body, None, TAGS), (body,)) == []
    assert joint_faults(joined, (body,)) == ["36 pictures; its parts have 24"]
    assert joint_faults(joined, (segment, body)) == ["picture 0 is not its part's"]
    assert joint_faults(joined, (body, clip(12, seed=3))) == ["picture 24 is not its part's"]
    assert joint_faults(joined, (clip(24, crf=30), segment))[0] == "part 0 has another setup"
    assert joint_faults(joined[:-200], (body, segment)) != []


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_flipped_bit_of_a_picture_goes_unseen(data: st.DataObject) -> None:
    """The comparison is of every byte of every packet."""
    body, segment = clip(24), clip(12, seed=2)
    joined = bytearray(splice(body, segment, TAGS))
    start = joined.index(b"mdat") + 4
    place = data.draw(st.integers(start, len(joined) - 1))
    joined[place] ^= 1 << data.draw(st.integers(0, 7))
    assert joint_faults(bytes(joined), (body, segment)) != []


def test_files_open_without_a_look_at_their_pictures() -> None:
    """What is decoded does not depend on libav's having looked into the file first."""
    for preset in PRESETS:
        data = clip(49, preset=preset)
        with av.open(io.BytesIO(data), "r") as container:
            expected = [frame.to_ndarray() for frame in container.decode(video=0)]
        assert all((one == other).all() for one, other in zip(planar_frames_of(data), expected, strict=True))
