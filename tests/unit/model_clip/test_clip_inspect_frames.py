"""The inspection of frames: good clips pass, seeded defects are found, and scores mean what they say."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.engine import Frames
from model.inspect import POLICY, Fault, Policy, Report, Rule, inspect_frames
from model.inspect.frames import COMPARED, PLAIN
from model.inspect.measures import Measures, longest_run, longest_still, noise_ratio, region_means
from model.inspect.policy import Action
from model.inspect.report import NotRun, Score, judge
from model.recipe import Scene
from tests.seeded.clips import KINDS, TINY_MODEL, Good, good_clips
from tests.seeded.spoil import DEFECTS
from tests.unit.model_clip.samples import gradient, pan, photo, scene

WITHOUT_TORCH = [kind for kind in KINDS if kind != TINY_MODEL]


@cache
def first(kind: str) -> Good:
    """The first good clip of a kind."""
    return next(good_clips(kind))


def of(clip: Frames, fps: int = 24) -> Scene:
    """A scene that asks for just this clip."""
    frames, height, width, _ = clip.shape
    return scene(width=width, height=height, frames=frames, fps=fps)


def report(clip: Frames, policy: Policy = POLICY) -> Report:
    """The inspection of a clip that has its scene's shape."""
    return inspect_frames(clip, of(clip), policy)


@pytest.mark.parametrize("kind", WITHOUT_TORCH)
def test_good_clips_pass(kind: str) -> None:
    """What a shop would publish is accepted, however quiet, dark, bright or wordy. The bench has all of them."""
    for good in islice(good_clips(kind), 2):
        found = inspect_frames(good.frames, good.scene, expected=good.expected)
        assert found.passed, f"{good.name}: {found.faults}"


@pytest.mark.parametrize("defect", DEFECTS)
def test_seeded_defects_are_found(defect: str) -> None:
    """A defect in a good clip is found at every strength, by a check made for it."""
    spoilt = DEFECTS[defect]
    looked = [("coloured product", strength) for strength in spoilt.strengths]
    for kind, strength in [*looked, ("camera over a photo", spoilt.strengths[-1])]:
        found = spoilt.inspect(first(kind), strength)
        if kind == "camera over a photo" and defect == "wrong colour":
            assert found is None, "nothing is recorded of it that could be wrong"
            continue
        assert found is not None
        assert not found.passed, f"{defect} at {strength} in {kind}: {dict(found.scores)}"
        assert set(spoilt.checks) & {fault.check for fault in found.faults}, f"{defect} at {strength}: {found.faults}"


def test_every_check_has_a_rule_and_is_scored() -> None:
    """A check without a rule could never fail; every check reports its score, faulty or not."""
    assert {*PLAIN, *COMPARED} <= set(POLICY.rules)
    assert set(report(pan()).scores) == set(PLAIN)
    assert report(pan()).policy == POLICY.name


@pytest.mark.parametrize(
    ("frames", "check"),
    [
        (gradient().astype(np.float32), "dtype"),
        (np.full((24, 96, 128, 3), np.nan, np.float32), "finite"),
        ([[1, 2]], "dtype"),
        (gradient()[..., 0], "shape"),
        (np.zeros((24, 96, 128, 4), np.uint8), "shape"),
        (gradient(23), "frames"),
        (gradient(0), "frames"),
        (gradient(24, 96, 130), "size"),
        (gradient(24, 128, 96), "size"),
    ],
)
def test_frames_that_are_none_of_the_scene_are_faults(frames: Frames, check: str) -> None:
    """The wrong type, shape, count or size is a fault by itself, with nothing measured and nothing raised."""
    found = inspect_frames(frames, scene())
    assert [fault.check for fault in found.faults] == [check]
    assert not found.passed
    assert found.scores == {}


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("size", [(32, 32), (96, 128), (34, 200)])
def test_the_smallest_clips_can_be_inspected(count: int, size: tuple[int, int]) -> None:
    """Few frames and few pixels have scores, all of them finite."""
    found = report(pan(count, *size))
    assert np.isfinite(list(found.scores.values())).all()
    assert not {"black", "flat", "noise"} & {fault.check for fault in found.faults}


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (90, 120, 40)])
def test_a_clip_of_one_colour_is_found_however_short(colour: tuple[int, int, int]) -> None:
    """Two frames of nothing are as wrong as two hundred."""
    found = report(np.full((2, 64, 64, 3), colour, np.uint8))
    assert "flat" in {fault.check for fault in found.faults}


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8))
def test_no_clip_makes_the_inspection_raise(seed: int, frames: int) -> None:
    """Any pixels at all end in a report."""
    rng = np.random.default_rng(seed)
    level, spread = rng.integers(0, 256), rng.integers(1, 256)
    clip = np.clip(rng.integers(-spread, spread + 1, (frames, 32, 48, 3)) + level, 0, 255).astype(np.uint8)
    assert set(report(clip).scores) == set(PLAIN)


def test_faults_say_where_and_by_how_much() -> None:
    """The message has the value, the limit and the frames; the fault has them as numbers."""
    clip = pan(48)
    clip[10:30] = 0
    (fault,) = [fault for fault in report(clip).faults if fault.check == "black"]
    assert fault.message == "the picture is black for longer than 0.12 s (0.83 s), frames 10 to 29"
    assert fault.value == pytest.approx(20 / 24)
    assert fault.limit == 0.12


def test_slow_motion_is_motion() -> None:
    """Steps too small to see from one frame to the next add up; the same picture for as long is frozen."""
    still = np.stack([photo(96, 128, 2)] * 60)
    drift = still.astype(np.float32) + np.linspace(0, 6, 60)[:, None, None, None]
    assert "frozen" in {fault.check for fault in report(still).faults}
    assert "frozen" not in {fault.check for fault in report(np.clip(drift, 0, 255).astype(np.uint8)).faults}


def test_a_small_thing_that_moves_is_motion() -> None:
    """A product that moves before a still ground keeps its clip alive: regions are compared, not whole frames."""
    clip = np.stack([photo(240, 320, 2)] * 48)
    for index in range(48):
        clip[index, 100:110, 20 + index : 30 + index] = 255
    assert report(clip).passed


@pytest.mark.parametrize(("action", "verdict"), [("warn", "accept"), ("review", "review"), ("reject", "reject")])
def test_the_policy_decides_what_a_fault_leads_to(action: Action, verdict: str) -> None:
    """A warning is told and the clip passes; review and rejection keep it from the page, the graver one wins."""
    rules = dict(POLICY.rules) | {"noise": replace(POLICY.rules["noise"], limit=-1, action=action)}
    found = report(pan(), replace(POLICY, version="mine", rules=rules))
    assert [(fault.check, fault.action) for fault in found.faults] == [("noise", action)]
    assert (found.verdict, found.passed) == (verdict, verdict == "accept")
    assert found.policy.startswith("mine+")
    rules["cut"] = replace(POLICY.rules["cut"], limit=-1)
    assert report(pan(), replace(POLICY, rules=rules)).verdict == "reject"


def test_a_check_can_be_switched_off() -> None:
    """A check the policy names is not run, has no score, and finds nothing."""
    still = np.stack([photo(96, 128, 2)] * 60)
    found = report(still, replace(POLICY, off=frozenset({"frozen"})))
    assert found.passed
    assert "frozen" not in found.scores


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_a_limit_is_the_last_value_that_passes(limit: float, value: float) -> None:
    """On the limit is within it, from either side; not a number never is."""
    assert Rule(limit, "").broken_by(value) == (value > limit)
    assert Rule(limit, "", least=True).broken_by(value) == (value < limit)
    assert Rule(limit, "").broken_by(float("nan"))


def test_reports_add_up() -> None:
    """Frames and file are judged apart and told together."""
    policy = replace(POLICY, rules={"a": Rule(1, "a {value}"), "b": Rule(1, "b")})
    one, other = judge([("a", Score(2.0))], policy), judge([("b", Score(0.5))], policy)
    both = one + other
    assert both.faults == (Fault("a", "a 2.0", 2.0, 1),)
    assert both.scores == {"a": 2.0, "b": 0.5}
    assert not both.passed
    with pytest.raises(KeyError):
        judge([("unknown", Score(1.0))], policy)
    unseen = judge([("a", NotRun("no photo"))], policy)
    assert unseen.skipped == {"a": "no photo"}
    assert (unseen + one).skipped == {}, "what one of them scored was run"


@given(st.lists(st.booleans(), max_size=40))
def test_the_longest_run_is_the_longest(flags: list[bool]) -> None:
    """Against the plain definition: the longest stretch of True, the first of those."""
    start, length = longest_run(np.array(flags, bool))
    text = "".join("x" if flag else " " for flag in flags)
    longest = max((len(word) for word in text.split()), default=0)
    assert length == longest
    assert start == (text.index("x" * longest) if longest else 0)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 8), st.integers(1, 8))
def test_region_means_keep_the_mean(height: int, width: int, rows: int, columns: int) -> None:
    """Regions cover the picture: weighted by their pixels their means give its mean, whatever the division."""
    luma = np.random.default_rng(height * 31 + width).random((2, height, width), np.float32)
    means = region_means(luma, rows, columns)
    assert means.shape == (2, min(rows, height), min(columns, width))
    if height % means.shape[1] == 0 and width % means.shape[2] == 0:
        assert np.allclose(means.mean((1, 2)), luma.mean((1, 2)), atol=1e-5)
    assert means.min() >= luma.min() - 1e-6
    assert means.max() <= luma.max() + 1e-6


def test_noise_has_the_ratio_of_theory() -> None:
    """White noise has 20, the sum of the Laplacian's squared weights; a gradient next to none; dither is not noise."""
    rng = np.random.default_rng(1)
    assert noise_ratio(rng.normal(128, 40, (200, 200)).astype(np.float32), 0) == pytest.approx(20, rel=0.05)
    assert noise_ratio(np.add.outer(np.arange(200), np.arange(200)).astype(np.float32), 0) < 0.001
    assert noise_ratio(rng.integers(0, 2, (200, 200)).astype(np.float32), POLICY.grain_floor) < 0.5
    assert noise_ratio(np.zeros((2, 9), np.float32), 0) == 0.0


def test_stillness_is_measured_from_its_first_frame() -> None:
    """The stretch starts where the picture stopped, and ends where it first differs from there."""
    luma = np.zeros((10, 16, 16), np.float32)
    luma[:3] = np.array([30, 20, 10])[:, None, None]
    luma[8:] = 50
    regions = region_means(luma, 4, 6).reshape(10, -1)
    assert longest_still(luma, regions, 0.5) == (3, 4)
    assert longest_still(luma[:1], regions[:1], 0.5) == (0, 0)


def test_measures_are_quarter_size() -> None:
    """Frames are looked at a quarter of their size, averaged; the smallest are left as they are."""
    measures = Measures(pan(3, 96, 128), 24)
    assert measures.small.shape == (3, 24, 32, 3)
    assert abs(float(measures.luma.mean()) - float(np.mean(np.stack(measures.samples)))) < 3
    assert Measures(gradient(2, 32, 32), 24).small.shape == (2, 16, 16, 3)
    assert len(Measures(gradient(2), 24).samples) == 2
