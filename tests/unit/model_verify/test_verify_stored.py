"""How a file is stored: what the headers say is held against the packets, and every group must stand alone."""

from __future__ import annotations

import pytest

from model import h264
from model.verify import verify
from tests.unit.model_verify.files import drawn, encoded, failing, finding, remuxed


@pytest.mark.parametrize(
    ("profile", "told"),
    [("baseline", "Constrained Baseline"), ("main", "Main"), ("high", "High"), ("high444", "High 4:4:4 Predictive")],
)
def test_profile_and_level_have_the_names_people_use(profile: str, told: str) -> None:
    """As x264 was told to write them."""
    pix_fmt = "yuv444p" if profile == "high444" else "yuv420p"
    verdict = verify(encoded(pix_fmt=pix_fmt, profile=profile, level="3.1"), origin="drawn")
    assert finding(verdict, "codec").found.startswith(f"H.264 {told}, level 3.1 (avc1.")


def test_level_1b_is_told_from_1_1() -> None:
    """Below High one flag tells them apart; in High, 1b has a number of its own (H.264 A.3.4)."""
    assert h264.profile(bytes([1, 66, 0x10, 11, 0, 0, 0, 0])) == ("Baseline", "1b")
    assert h264.profile(bytes([1, 66, 0x00, 11, 0, 0, 0, 0])) == ("Baseline", "1.1")
    assert h264.profile(bytes([1, 100, 0x10, 9, 0, 0, 0, 0])) == ("High", "1b")
    assert h264.profile(bytes([1, 99, 0, 40, 0, 0, 0, 0])) == ("profile 99", "4.0")
    with pytest.raises(ValueError, match="configuration"):
        h264.profile(b"\x01\x42")


def test_open_groups_are_caught() -> None:
    """Key frames that later pictures reach across cannot be joined, and show damage where a player seeks to them."""
    closed = encoded(frames=48, **{"x264-params": "keyint=12:min-keyint=12:scenecut=0:open-gop=0:bframes=2"})
    assert finding(verify(closed), "key_frames").status == "ok"
    assert finding(verify(closed), "key_frames").found.startswith("4 in 48")
    opened = encoded(frames=48, **{"x264-params": "keyint=12:min-keyint=12:scenecut=0:open-gop=1:bframes=2:b-adapt=0"})
    found = finding(verify(opened), "key_frames")
    assert (found.status, "open" in found.why) == ("fail", True)


def test_a_file_that_begins_inside_a_group_is_caught() -> None:
    """As a careless cut leaves it: the first pictures cannot be shown."""
    assert "key_frames" in failing(verify(remuxed(drawn(), keep=lambda place, _packet: place > 2)))


def test_gaps_between_pictures_are_told() -> None:
    """A file that lost some of its pictures is unevenly timed; so are clips of telephones, and that is no fault."""
    found = finding(verify(remuxed(drawn(), keep=lambda place, _packet: place < 20 or place > 22)), "pictures")
    assert (found.status, "unevenly" in found.found) == ("note", True)


@pytest.mark.parametrize("header", [b"mdhd", b"mvhd"])
@pytest.mark.parametrize("factor", [3, 0.4])
def test_a_duration_that_the_pictures_do_not_fill_is_caught(header: bytes, factor: float) -> None:
    """The durations that players show are held against pictures and rate."""
    data = bytearray(drawn())
    at = data.index(header) + 4 + 16  # version and flags, two times, the time scale
    duration = int.from_bytes(data[at : at + 4], "big")
    assert duration > 0
    data[at : at + 4] = round(duration * factor).to_bytes(4, "big")
    found = finding(verify(bytes(data)), "pictures")
    assert (found.status, "a header claims" in found.why) == ("fail", True)


def test_more_pictures_than_a_clip_has_are_refused() -> None:
    """Before they are decoded: a small file can claim a great many."""
    many = encoded(frames=4001, preset="ultrafast")
    verdict = verify(many, origin="drawn")
    assert failing(verdict) == ["pictures", "decode"]
    assert "4000" in finding(verdict, "pictures").why
