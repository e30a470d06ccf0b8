"""Frames into H.264 MP4 bytes and back, the same bytes for the same frames; knows no recipe, label or layout.

One thread per encoder, a fixed closed GOP and no scene cuts: so that bytes can be named by what made them, and
segments encoded apart can be joined. Callers get their parallelism from encoding several clips at once.
"""

from __future__ import annotations

import functools
import io
import itertools
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import PictureType
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from PIL import Image

from model.boxes import check_counts
from model.colour import Converter, Picture, Planar, planar_array, planar_frame
from model.demux import BOUNDED, MAX_SIDE, open_mp4
from model.engine import Frames
from model.errors import BoxError, CodecError, DecodeError, EncodeError
from model.recipe import Encoding

_log = logging.getLogger(__name__)

BASE = Encoding(crf=16, preset="ultrafast", gop=24)
"""How a base clip is stored: visually lossless (53…60 dB on storyboards, 43 dB on grainy pans) and quick to encode and
to decode, for that is done again with every dressing."""
MAX_FRAMES = 4000
"""Larger files are refused before their pictures are decoded: a small file can claim a great many."""

# bitexact leaves out creation time and library versions: bytes depend on the recipe alone. use_metadata_tags keeps
# keys that MP4 has no box for: without it the muxer drops them, silently.
MUXER = {"movflags": "faststart+use_metadata_tags", "fflags": "+bitexact"}
"""How every file is written."""

_FAMILIES: dict[str, tuple[str, ...]] = {"h264": ("libx264", "h264_nvenc", "libopenh264")}
"""Encoders of a codec, best first. Software first: it makes the same bytes on every machine, and the digest of a
recipe promises that; a hardware encoder's bytes depend on the card and its driver."""
_QUICK = ("ultrafast", "superfast", "veryfast")
_QUICKER = ":subme=1:b-adapt=0:weightp=0"
"""Laid over x264's quick presets: a third less time than plain veryfast for the same size and PSNR (measured on
storyboards and on noisy pans), since product clips move gently and have no cuts or fades to search for."""
_PROBE_SIZE = 128  # pixels; hardware encoders refuse smaller pictures


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoder that was tried on this machine, and why it was chosen."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Job:
    """What one file is made to: by which encoder, at which size and rate, with which tags."""

    encoder: str
    size: tuple[int, int]
    fps: int
    encoding: Encoding
    tags: Mapping[str, str]
    after_key: bool = False


@functools.cache
def choose_codec(family: str = "h264") -> Codec:
    """The first encoder of a family that encodes on this machine; tried once per process and logged.

    Raises CodecError naming every encoder tried and why it does not work.
    """
    if family not in _FAMILIES:
        raise CodecError(f"codec {family!r} is not one of {', '.join(_FAMILIES)}")
    failed: list[str] = []
    for name in _FAMILIES[family]:
        why_not = _try(name)
        if why_not is None:
            reason = "first choice, tried" if not failed else f"tried; before it: {'; '.join(failed)}"
            _log.info("codec %s: %s (%s)", family, name, reason)
            return Codec(name, reason)
        failed.append(f"{name} ({why_not})")
    raise CodecError(
        f"no {family} encoder works here: {'; '.join(failed)}. Install PyAV's wheel, which bundles libx264"
    )


def encode_base(frames: Frames, fps: int) -> bytes:
    """The base clip's bytes: visually lossless, to be decoded once more. Raises EncodeError.

    Base clips carry no labels and are not published; ``finish`` makes of them what is.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise EncodeError(f"frames must be uint8 (frames, height, width, 3), not {frames.dtype} {frames.shape}")
    _, height, width, _ = frames.shape
    return encode(frames, (width, height), fps, BASE, {})


def encode(
    frames: Iterable[npt.NDArray[np.uint8]],
    size: tuple[int, int],
    fps: int,
    encoding: Encoding,
    tags: Mapping[str, str],
    *,
    after_key: bool = False,
) -> bytes:
    """A faststart H.264 MP4 of the frames, which are taken one by one: memory does not grow with their number.

    Args:
        frames: RGB pictures (height, width, 3) or I420 pictures (height * 3 / 2, width), all of one size.
        size: Width and height, pixels, even.
        fps: Frames per second, constant.
        encoding: Codec, quality, speed and distance of key frames.
        tags: Metadata keys and values, written as keyed metadata (``moov.udta.meta``).
        after_key: True for a segment that will follow a lone key frame: its own first one then has the other of the
            two numbers that neighbouring key frames take in turn (H.264 7.4.3, ``idr_pic_id``).

    Raises:
        EncodeError: A frame is not of the size, there is none, or the encoder or the disk fails.
        CodecError: No encoder of the codec works on this machine.
    """
    name = choose_codec(encoding.codec).name
    iterator = iter(frames)
    try:
        first = next(iterator)
    except StopIteration:
        raise EncodeError("no frames to encode") from None
    try:
        # A real file: the muxer reopens it by name to move the headers to the front, which it cannot do in memory.
        with tempfile.TemporaryDirectory(prefix="skureel-") as folder:
            path = Path(folder) / "clip.mp4"
            _write(path, itertools.chain([first], iterator), _Job(name, size, fps, encoding, tags, after_key))
            return path.read_bytes()
    except (FFmpegError, OSError, ValueError, MemoryError) as error:
        raise EncodeError(f"{name}: {size[0]}x{size[1]} at {fps} fps: {error}") from error


def decode(data: bytes) -> Frames:
    """Every frame of an MP4 as RGB, all in memory. Raises DecodeError."""
    frames = list(frames_of(data))
    return np.stack(frames)


def frames_of(data: bytes) -> Iterator[Picture]:
    """The frames of an MP4 as RGB pictures, one by one. Raises DecodeError, on the first bad frame at the latest."""
    converter = Converter()
    return (converter.to_rgb(frame) for frame in _decoded(data))


def planar_frames_of(data: bytes) -> Iterator[Planar]:
    """The frames as I420, as they are stored: no colour conversion, so dressing loses nothing by it."""
    return (planar_array(frame) for frame in _decoded(data))


def key_pictures_of(data: bytes) -> Iterator[Planar]:
    """Only the frames that stand for themselves (key frames), as I420: the first, and one a group after it.

    A few of the pictures for as little of the cost. Raises DecodeError when one is damaged or there is none.
    """
    try:
        check_counts(data, MAX_FRAMES)
        with open_mp4(data) as container:
            stream = _video_of(container.streams.video)
            stream.codec_context.thread_count = 1
            stream.codec_context.skip_frame = "NONKEY"
            stream.codec_context.options = {"err_detect": "explode", **BOUNDED}
            count = 0
            for frame in container.decode(stream):
                count += 1
                _check_frame(frame, stream, count)
                yield planar_array(frame)
            if count == 0:
                raise DecodeError("no key frame could be decoded")
    except (BoxError, FFmpegError, OSError, ValueError, MemoryError) as error:
        raise DecodeError(f"not a decodable MP4 of {len(data)} bytes: {error}") from error


def count_frames(data: bytes) -> int:
    """How many frames there are, each of them decoded and none converted. Raises DecodeError."""
    return sum(1 for _ in _decoded(data))


def opening_picture_of(data: bytes) -> Planar:
    """The first frame alone, as I420. ``key_pictures_of`` would decode some more before it gives one: decoders wait for
    what may have to be shown before. Raises DecodeError.
    """
    try:
        check_counts(data, MAX_FRAMES)
        with open_mp4(data) as container:
            stream = _video_of(container.streams.video)
            decoder = stream.codec_context
            decoder.thread_count, decoder.skip_frame = 1, "DEFAULT"
            decoder.options = {"err_detect": "explode", **BOUNDED}
            packet = next(each for each in container.demux(stream))
            for frame in (*decoder.decode(packet), *decoder.decode(None)):
                _check_frame(frame, stream, 1)
                return planar_array(frame)
    except (BoxError, FFmpegError, OSError, ValueError, MemoryError) as error:
        raise DecodeError(f"not a decodable MP4 of {len(data)} bytes: {error}") from error
    raise DecodeError("the first frame cannot be decoded by itself")


def poster(frame: Picture) -> bytes:
    """One RGB picture as a progressive sRGB JPEG, quality 85."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(frame), "RGB").save(
        out, "JPEG", quality=85, progressive=True, optimize=True, subsampling="4:2:0"
    )
    return out.getvalue()


def _options(name: str, encoding: Encoding) -> dict[str, str]:
    """The settings that make GOPs fixed and closed, in each encoder's own words."""
    if name == "libx264":
        # cpu-independent: x264's AVX-512 lookahead differs from run to run at some sizes (320x240 is one), and each
        # instruction set rounds in its own way; five per cent of the time buys the same bytes on every machine.
        params = f"keyint={encoding.gop}:min-keyint={encoding.gop}:scenecut=0:open-gop=0:force-cfr=1:cpu-independent=1"
        params += _QUICKER if encoding.preset in _QUICK else ""
        return {"preset": encoding.preset, "crf": str(encoding.crf), "threads": "1", "x264-params": params}
    if name == "h264_nvenc":
        quality = {"preset": "p5", "rc": "vbr", "cq": str(encoding.crf)}
        return quality | {"no-scenecut": "1", "forced-idr": "1", "strict_gop": "1", "bf": "0"}
    return {"rc_mode": "quality", "qmin": str(encoding.crf), "qmax": str(encoding.crf), "threads": "1"}


def _write(path: Path, frames: Iterable[npt.NDArray[np.uint8]], job: _Job) -> None:
    with av.open(str(path), "w", format="mp4", options=MUXER) as container:
        container.metadata.update(job.tags)
        stream = _add_stream(container, job)
        # Drops the encoder's note with its version and settings (SEI, NAL type 6); our GOPs need no other SEI.
        trim = BitStreamFilterContext("filter_units=remove_types=6", stream)
        packets = _encoded(stream, frames, job)
        if job.after_key:
            next(packets)
        for packet in packets:
            for kept in trim.filter(packet):
                kept.stream = stream
                container.mux(kept)
        for packet in trim.filter(None):
            container.mux(packet)


def _encoded(stream: VideoStream, frames: Iterable[npt.NDArray[np.uint8]], job: _Job) -> Iterator[Packet[VideoStream]]:
    """The encoder's packets; where the job follows a key frame, one of such a frame more comes first."""
    converter = Converter()
    for index, picture in enumerate(frames):
        frame = _frame(picture, job.size, index, converter)
        if job.after_key and index == 0:
            frame.pts = -1
            yield from stream.encode(frame)
            frame.pict_type = PictureType.I
        frame.pts = index
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _add_stream(container: OutputContainer, job: _Job) -> VideoStream:
    options = _options(job.encoder, job.encoding)
    stream = cast("VideoStream", container.add_stream(job.encoder, rate=job.fps, options=options))
    context = stream.codec_context
    context.width, context.height = job.size
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, job.fps)
    context.gop_size = job.encoding.gop
    context.thread_count = 1
    context.color_range = ColorRange.MPEG
    context.colorspace = Colorspace.ITU709
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    return stream


def _frame(picture: npt.NDArray[np.uint8], size: tuple[int, int], index: int, converter: Converter) -> av.VideoFrame:
    width, height = size
    if picture.dtype == np.uint8 and picture.shape == (height, width, 3):
        return converter.to_yuv(picture)
    if picture.dtype == np.uint8 and picture.shape == (height * 3 // 2, width):
        return planar_frame(picture)
    raise EncodeError(f"frame {index} is {picture.dtype} {picture.shape}, not RGB or I420 of {width}x{height}")


def _try(name: str) -> str | None:
    """None when the encoder makes a clip here, or the reason why it does not."""
    grey = np.full((_PROBE_SIZE, _PROBE_SIZE, 3), 128, np.uint8)
    try:
        with tempfile.TemporaryDirectory(prefix="skureel-") as folder:
            path = Path(folder) / "probe.mp4"
            _write(path, [grey] * 3, _Job(name, (_PROBE_SIZE, _PROBE_SIZE), 24, Encoding(), {}))
            made = sum(1 for _ in _decoded(path.read_bytes()))
    except (FFmpegError, OSError, ValueError, DecodeError) as error:
        return str(error)
    return None if made == 3 else f"made {made} frames of 3"


def _decoded(data: bytes) -> Iterator[av.VideoFrame]:
    """Frames in order. Ends with DecodeError when one is damaged or fewer come out than the headers promise."""
    try:
        check_counts(data, MAX_FRAMES)
        with open_mp4(data) as container:
            stream = _video_of(container.streams.video)
            stream.codec_context.thread_count = 1
            stream.codec_context.options = {"err_detect": "explode", **BOUNDED}
            count = 0
            for frame in container.decode(stream):
                count += 1
                _check_frame(frame, stream, count)
                yield frame
            if count == 0 or count < stream.frames:
                raise DecodeError(f"{count} frames could be decoded of {stream.frames} in the headers: the file is cut")
    except (BoxError, FFmpegError, OSError, ValueError, MemoryError) as error:
        raise DecodeError(f"not a decodable MP4 of {len(data)} bytes: {error}") from error


def _video_of(streams: tuple[VideoStream, ...]) -> VideoStream:
    if not streams:
        raise DecodeError("no video stream in the file")
    stream = streams[0]
    # A stream of an unknown codec has no context at all, whatever PyAV's types say.
    name = getattr(stream.codec_context, "name", "of an unknown codec")
    if name != "h264":
        raise DecodeError(f"the video is {name}, not h264")
    if not all(0 < side <= MAX_SIDE and side % 2 == 0 for side in (stream.width, stream.height)):
        raise DecodeError(f"{stream.width}x{stream.height} is not even and at most {MAX_SIDE}x{MAX_SIDE}")
    if stream.frames > MAX_FRAMES:
        raise DecodeError(f"{stream.frames} frames; at most {MAX_FRAMES} are decoded")
    return stream


def _check_frame(frame: av.VideoFrame, stream: VideoStream, count: int) -> None:
    if count > MAX_FRAMES:
        raise DecodeError(f"more than {MAX_FRAMES} frames")
    if frame.is_corrupt:
        raise DecodeError(f"frame {count} is damaged")
    if frame.format.name != "yuv420p" or (frame.width, frame.height) != (stream.width, stream.height):
        raise DecodeError(f"frame {count} is {frame.format.name} {frame.width}x{frame.height}, unlike the headers")
