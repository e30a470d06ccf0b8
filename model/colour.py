"""Turns pictures between RGB and the YUV that H.264 stores, and crops and scales them; knows no files and no recipes.

Everything here is BT.709 in TV range (16…235), which is what players assume for HD and what the files say of
themselves. swscale's own default is BT.601, which shifts every saturated colour: so matrices are always named.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

Picture = npt.NDArray[np.uint8]
"""One RGB picture: shape (height, width, 3), dtype uint8."""
Planar = npt.NDArray[np.uint8]
"""One picture in I420: shape (height * 3 / 2, width): the luma rows, then both quarter-size chroma planes."""

# So that two machines with different vector units make the same bytes of the same picture.
_EXACT = Interpolation.BITEXACT


class Converter:
    """Converts picture after picture of one clip. Keeps swscale's tables between calls; not for several threads."""

    def __init__(self) -> None:
        self._into = VideoReformatter()
        self._from = VideoReformatter()
        self._scale = VideoReformatter()

    def to_yuv(self, picture: Picture) -> VideoFrame:
        """RGB to BT.709 TV-range I420."""
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        return self._into.reformat(
            frame,
            format="yuv420p",
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.AREA | _EXACT,
            threads=1,
        )

    def to_rgb(self, frame: VideoFrame) -> Picture:
        """BT.709 TV-range I420 to RGB, whatever the frame says of itself."""
        rgb = self._from.reformat(
            frame,
            format="rgb24",
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            # Without exact rounding this direction darkens every picture by a level.
            interpolation=Interpolation.BILINEAR | _EXACT | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
            threads=1,
        )
        return cast("Picture", rgb.to_ndarray())

    def scaled(self, picture: Planar, width: int, height: int) -> Planar:
        """The same I420 picture at another size (bicubic)."""
        if picture.shape == (height * 3 // 2, width):
            return picture
        frame = self._scale.reformat(
            planar_frame(picture),
            width=width,
            height=height,
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.MPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC | _EXACT,
            threads=1,
        )
        return planar_array(frame)


def planar_frame(picture: Planar) -> VideoFrame:
    """An I420 array as a frame for the encoder or the scaler."""
    return VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="yuv420p")


def planar_array(frame: VideoFrame) -> Planar:
    """An I420 frame as an array of its own."""
    return cast("Planar", frame.to_ndarray())


def planes(picture: Planar) -> tuple[Planar, Planar, Planar]:
    """Luma (height, width), and both chroma planes (height / 2, width / 2): views, so writing to them writes to it."""
    rows, width = picture.shape
    height = rows * 2 // 3
    chroma = picture[height:].reshape(2, height // 2, width // 2)
    return picture[:height], chroma[0], chroma[1]


def cropped(picture: Planar, left: int, top: int, width: int, height: int) -> Planar:
    """A window of an I420 picture; all four numbers even, because chroma has half the pixels."""
    luma, blue, red = planes(picture)
    half = (slice(top // 2, (top + height) // 2), slice(left // 2, (left + width) // 2))
    out = np.empty((height * 3 // 2, width), np.uint8)
    to_luma, to_blue, to_red = planes(out)
    to_luma[:] = luma[top : top + height, left : left + width]
    to_blue[:], to_red[:] = blue[half], red[half]
    return out
