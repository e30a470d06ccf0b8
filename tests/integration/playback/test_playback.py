"""Promoted clips in a real browser: they play to the end, and show the pictures that our own decoder gives."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest

from model.colour import Planar
from model.encode import frames_of
from model.verify import verify
from tests.integration.playback.clips import CLIPS, FPS, Clip
from tests.integration.playback.player import Played, Player, Seen, player
from tests.services.chromium import Chromium

RATES = (2.5, 1.5, 1.0, 0.5)
"""Times the clip's own pace, one try after the other: a busy machine may be too late for a picture, and the next, more
leisurely try shows whether it was the machine or the file."""
PAINTED_DB = 38.0
"""Least PSNR of a canvas's RGB to ours: both turn the same YUV into RGB, and interpolate chroma each in its way."""
ENCODER_DB = 40.0
"""Least PSNR of what was encoded for delivery to what it was encoded from."""
DRESSING_DB = 1.0
"""Most that a dressing costs the picture beside it, against the same encoding without a dressing."""
OTHER_DB = 25.0
"""Pictures that have less in common than this PSNR are not taken for one another: they show different things."""


@pytest.fixture(scope="module")
def screen(chromium: Chromium) -> Iterator[Player]:
    """A page in one browser for all, every clip on offer."""
    with player(chromium) as page:
        for clip in CLIPS:
            page.offer(clip.name, clip.data)
        yield page


@pytest.fixture(scope="module")
def walked(screen: Player) -> Callable[[Clip], list[Seen]]:
    """What the browser shows of each picture of a clip, one by one from the first to the last; gone through once."""

    @functools.cache
    def walk(name: str, frames: int) -> list[Seen]:
        return screen.look(name, range(frames), FPS)

    return lambda clip: walk(clip.name, clip.recipe.frames)


every_clip = pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)


def decibels(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """PSNR in dB; infinite for equal pictures."""
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def luma(picture: Planar) -> Planar:
    """The luma plane of an I420 picture."""
    return picture[: picture.shape[0] * 2 // 3]


def played_whole(screen: Player, clip: Clip) -> Played:
    """The first play in which every picture was decoded once and shown, else the last."""
    for rate in RATES:
        played = screen.play(clip.name, rate=rate)
        assert (played.error, played.ended, played.corrupted) == (None, True, 0)
        if counts(played) == (clip.recipe.frames, 0, clip.recipe.frames):
            break
    return played


def counts(played: Played) -> tuple[int, int, int]:
    """Pictures decoded, dropped and presented. A machine that is far too late decodes some twice."""
    return played.total, played.dropped, played.presented


@every_clip
def test_a_promoted_clip_plays_from_start_to_end(screen: Player, clip: Clip) -> None:
    """It has the recipe's size and duration, ends without an error, and every one of its pictures is shown."""
    played = played_whole(screen, clip)
    overlays = clip.recipe.dressing.overlays
    assert (played.width, played.height) == (overlays.width, overlays.height)
    assert played.duration == pytest.approx(clip.recipe.duration, abs=1e-3)
    assert played.position == pytest.approx(clip.recipe.duration, abs=1e-3)
    assert counts(played) == (clip.recipe.frames, 0, clip.recipe.frames)
    # Where callbacks came late they were left out, but never went back, and the last picture stayed.
    assert played.shown == sorted(played.shown)
    assert played.shown[-1] == pytest.approx((clip.recipe.frames - 1) / FPS, abs=1e-3)


@every_clip
def test_seeking_shows_the_very_pictures_of_our_decoder(screen: Player, clip: Clip) -> None:
    """Forwards, backwards and across the seam, a seek lands on its picture, bit for bit; on a canvas it looks the same.

    A seam that carried anything over from one side to the other would show here: a seek into the card decodes no body.
    """
    last, seam = clip.recipe.frames - 1, min(clip.recipe.scene.frames, clip.recipe.frames - 1)
    frames = [seam - 1, seam, seam - 2, last, seam, 0, seam, seam - 1, 12, last, seam - 1]
    ours = list(frames_of(clip.data))
    for frame, seen in zip(frames, screen.look(clip.name, frames, FPS, painted=range(4)), strict=True):
        assert seen.time == pytest.approx(frame / FPS, abs=1e-4)
        assert (seen.planes == clip.frames[frame]).all(), frame
        if seen.painted is not None:
            assert decibels(seen.painted, ours[frame]) >= PAINTED_DB, frame


@every_clip
def test_every_picture_can_be_shown(walked: Callable[[Clip], list[Seen]], clip: Clip) -> None:
    """Gone through one by one from the first to the last, every picture is the one our decoder gives, bit for bit."""
    seen = walked(clip)
    assert len(seen) == clip.recipe.frames
    wrong = [frame for frame, shown in enumerate(seen) if not (shown.planes == clip.frames[frame]).all()]
    assert wrong == []


@every_clip
def test_beside_its_dressing_a_clip_is_its_base(clip: Clip) -> None:
    """Pixels that no ribbon or label covers equal the base's within what encoding costs, and pictures before a ribbon
    comes equal it all over; a dressing costs the picture beside it next to nothing.
    """
    free, body = clip.untouched(), range(clip.recipe.scene.frames)
    for frame in body:
        was = luma(clip.base_frames[frame])[free]
        found = decibels(luma(clip.frames[frame])[free], was)
        assert found >= ENCODER_DB, frame
        assert found >= decibels(luma(clip.undressed_frames[frame])[free], was) - DRESSING_DB, frame
    if clip.recipe.dressing.overlays.label is None:
        assert all(decibels(clip.frames[frame], clip.base_frames[frame]) >= ENCODER_DB for frame in clip.bare())


@every_clip
def test_what_plays_passes_verification(clip: Clip) -> None:
    """The command that anybody may run on a clip finds nothing wrong with any of these."""
    verdict = verify(clip.data)
    assert [found for found in verdict.findings if found.status != "ok"] == []
    assert (verdict.facts["aigc"] is not None) == clip.generative


@pytest.mark.parametrize("clip", [clip for clip in CLIPS if clip.card_frames], ids=lambda clip: clip.name)
def test_the_seam_is_a_clean_cut(walked: Callable[[Clip], list[Seen]], clip: Clip) -> None:
    """What the browser shows last before the seam is the body's last picture, and what it shows first after it is the
    card's first: neither has anything of the other, and every picture of the card is as it was drawn.
    """
    seam, cards = clip.recipe.scene.frames, clip.card_frames
    before, *after = walked(clip)[seam - 1 :]
    free = clip.untouched()
    assert decibels(luma(before.planes)[free], luma(clip.base_frames[-1])[free]) >= ENCODER_DB
    assert all(decibels(shown.planes, card) >= ENCODER_DB for shown, card in zip(after, cards, strict=True))
    assert decibels(before.planes, after[0].planes) < OTHER_DB


def test_the_browser_asked_for_ranges(screen: Player) -> None:
    """Clips were read as from a CDN: by ranges, of which the first begins at 0, for headers come first."""
    screen.play(CLIPS[0].name, rate=2.0)
    assert screen.ranges[0].startswith("bytes=0-")
