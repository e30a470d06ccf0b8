"""Reads the few fields of H.264 headers that joining and probing need (ITU-T H.264, 7.3); decodes no picture.

Knows a file's decoder configuration (avcC) and the start of a key frame; knows no boxes and no library.
"""

from __future__ import annotations

from dataclasses import dataclass

_WITH_CHROMA = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
"""Profiles whose sequence parameters say how chroma is stored; in all others it is 4:2:0 with eight bits."""
_CHROMA = ("gray", "yuv420p", "yuv422p", "yuv444p")
_BASELINE = 66
_PROFILES = {
    _BASELINE: "Baseline",
    77: "Main",
    88: "Extended",
    100: "High",
    110: "High 10",
    122: "High 4:2:2",
    244: "High 4:4:4 Predictive",
}
_HEADER_BYTES = 64
"""As much of a slice as its first fields can fill."""
_IDR, _EXTENDED_ASPECT = 5, 255


@dataclass(frozen=True, slots=True)
class Sequence:
    """What a sequence parameter set says, as far as it is read here."""

    pix_fmt: str
    """As libav names it, e.g. ``yuv420p``; with a ``j`` after ``yuv`` where levels use the full range."""
    frame_num_bits: int
    separate_planes: bool
    progressive: bool


class _Bits:
    """Bits of a NAL unit's payload, first bit first. Raises ValueError when they end."""

    def __init__(self, payload: bytes) -> None:
        plain = payload.replace(b"\0\0\x03", b"\0\0")  # 7.4.1.1: the 3 only keeps start codes out
        self._value = int.from_bytes(plain, "big")
        self._left = 8 * len(plain)

    def number(self, bits: int) -> int:
        if bits > self._left:
            raise ValueError("an H.264 header is cut")
        self._left -= bits
        return self._value >> self._left & ((1 << bits) - 1)

    def flag(self) -> bool:
        return self.number(1) == 1

    def golomb(self) -> int:
        """An unsigned Exp-Golomb code (9.1); 32 bits at most."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 31:
                raise ValueError("an H.264 header has a number of more than 32 bits")
        return (1 << zeros) - 1 + self.number(zeros)

    def signed(self) -> int:
        """A signed Exp-Golomb code (9.1.1)."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)

    def skip(self, *codes: str) -> None:
        """Pass over fields: ``g`` is an Exp-Golomb code of either sign, a number so many bits."""
        for code in codes:
            if code == "g":
                self.golomb()
            else:
                self.number(int(code))


def sequence(avcc: bytes) -> Sequence:
    """The first sequence parameter set of a decoder configuration record. Raises ValueError for what is none."""
    if len(avcc) < 8 or avcc[0] != 1 or not avcc[5] & 31:
        raise ValueError("no H.264 decoder configuration")
    size = int.from_bytes(avcc[6:8], "big")
    if not 4 <= size <= len(avcc) - 8:
        raise ValueError("an H.264 decoder configuration is cut")
    return _sequence(avcc[8 : 8 + size])


def profile(avcc: bytes) -> tuple[str, str]:
    """Profile and level as people name them, e.g. ``High`` and ``3.1`` (A.2, A.3).

    Takes a decoder configuration record. Raises ValueError for what is none.
    """
    if len(avcc) < 8 or avcc[0] != 1:
        raise ValueError("no H.264 decoder configuration")
    number, constraints, level = avcc[1], avcc[2], avcc[3]
    name = _PROFILES.get(number, f"profile {number}")
    if number == _BASELINE and constraints & 0x40:
        name = "Constrained Baseline"
    # Level 1b has a number of its own only in High and above; below, a constraint flag tells it from 1.1.
    if level == 9 or (level == 11 and constraints & 0x10 and number in (_BASELINE, 77, 88)):
        return name, "1b"
    return name, f"{level // 10}.{level % 10}"


def key_id(avcc: bytes, sample: bytes) -> int | None:
    """The ``idr_pic_id`` of an access unit as MP4 stores it; None when it is no instantaneous refresh.

    Two such pictures in a row must carry different ones (7.4.3), or a decoder may take them for one. Raises ValueError
    for bytes that are no H.264, and for interlaced video.
    """
    length = (avcc[4] & 3) + 1 if len(avcc) > 4 else 4
    at = 0
    while at + length < len(sample):
        size = int.from_bytes(sample[at : at + length], "big")
        at += length
        if sample[at] & 31 == _IDR:
            return _key_id(sequence(avcc), sample[at + 1 : at + min(size, _HEADER_BYTES)])
        at += size
    return None


def _key_id(found: Sequence, slice_header: bytes) -> int:
    if not found.progressive:
        raise ValueError("the video is interlaced")
    bits = _Bits(slice_header)
    bits.skip("g", "g", "g", "2" if found.separate_planes else "0", str(found.frame_num_bits))
    return bits.golomb()


def _sequence(unit: bytes) -> Sequence:
    bits = _Bits(unit[4:])  # after the NAL header, profile, constraints and level
    bits.skip("g")
    chroma, separate, depth = 1, False, 8
    if unit[1] in _WITH_CHROMA:
        chroma = bits.golomb()
        separate = bits.flag() if chroma == 3 else False
        depth = 8 + bits.golomb()
        bits.skip("g", "1")
        if bits.flag():
            _skip_scaling(bits, 8 if chroma != 3 else 12)
    if chroma >= len(_CHROMA):
        raise ValueError(f"an H.264 sequence has chroma format {chroma}")
    frame_num_bits = 4 + bits.golomb()
    _skip_order(bits)
    bits.skip("g", "1", "g", "g")
    progressive = bits.flag()
    full = _full_range(bits, progressive=progressive)
    name = _CHROMA[chroma].replace("yuv", "yuvj") if full and depth == 8 else _CHROMA[chroma]
    return Sequence(name if depth == 8 else f"{name}{depth}le", frame_num_bits, separate, progressive)


def _skip_scaling(bits: _Bits, lists: int) -> None:
    """Scaling lists (7.3.2.1.1.1): six of 16 numbers, then some of 64; each ends early where a number becomes 0."""
    for index in range(lists):
        if not bits.flag():
            continue
        last, following = 8, 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.signed()) % 256
            last = following or last


def _skip_order(bits: _Bits) -> None:
    """How pictures are put in order (7.3.2.1.1)."""
    kind = bits.golomb()
    if kind == 0:
        bits.skip("g")
    elif kind == 1:
        bits.skip("1", "g", "g")
        for _ in range(min(bits.golomb(), 255)):
            bits.skip("g")


def _full_range(bits: _Bits, *, progressive: bool) -> bool:
    """What the usability information says of the levels (E.1.1); false where there is none."""
    bits.skip("1" if progressive else "2")
    if bits.flag():
        bits.skip("g", "g", "g", "g")
    if not bits.flag():
        return False
    if bits.flag() and bits.number(8) == _EXTENDED_ASPECT:
        bits.skip("32")
    if bits.flag():
        bits.skip("1")
    return bits.flag() and bits.number(4) & 1 == 1
