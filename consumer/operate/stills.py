"""A still of a finished clip's last moment, for pages that show a clip before it plays. Knows no product."""

from __future__ import annotations

import io

import av
import numpy as np

from model.encode import poster


def last_picture(clip: bytes) -> bytes:
    """The last picture of an MP4 as a JPEG. Only its last group of pictures is decoded.

    Raises ValueError when it has none.
    """
    with av.open(io.BytesIO(clip), mode="r") as container:
        stream = container.streams.video[0]
        container.seek(max(0, (stream.duration or 1) - 1), stream=stream)
        pictures = list(container.decode(stream))
    if not pictures:
        raise ValueError("the clip has no picture")
    return poster(np.asarray(pictures[-1].to_ndarray(format="rgb24"), np.uint8))
