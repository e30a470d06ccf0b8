"""Opens MP4 bytes with libav, bounded and without decoding a picture; knows nothing of what is done with them."""

from __future__ import annotations

import io
from typing import Any, cast

import av
from av.container import InputContainer

MAX_SIDE = 4096
BOUNDED = {"max_pixels": str(MAX_SIDE * MAX_SIDE)}
"""For every context of libav's: a picture's own header may claim any size."""
_UNSEEN = {"skip_frame": "all"}
"""libav decodes the first pictures of a file when it opens it, to guess what its headers already say: at 832×480 that
is 10 of the 11 ms that opening takes. A decoder made of the stream afterwards decodes all."""


def open_mp4(data: bytes) -> InputContainer:
    """The bytes as an open container; to be closed, or used as a context. Raises what libav raises.

    The format is named: left to guess, the demuxers would follow playlists to other files and addresses.
    """
    opened = av.open(io.BytesIO(data), format="mp4", mode="r", options=BOUNDED | _UNSEEN)
    return cast("InputContainer", cast("Any", opened))
