"""The inspection of files: a finished clip passes, and every way to differ from its recipe is a fault."""

from __future__ import annotations

import io
from dataclasses import replace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.encode import encode
from model.finish import finish
from model.inspect import POLICY, inspect_file
from model.inspect.files import CHECKS
from model.recipe import Encoding, EndCard, Recipe
from tests.unit.model_clip.samples import base_of_gradient, generated, gradient, meta, recipe, scene


def finished(made: Recipe, *, generative: bool = False) -> bytes:
    """The recipe's finished bytes."""
    return finish(base_of_gradient(made.scene.frames), made, generative=generative).data


def faults(data: bytes, made: Recipe) -> set[str]:
    """Names of the checks that found something."""
    return {fault.check for fault in inspect_file(data, made).faults}


@pytest.mark.parametrize(
    ("made", "generative"), [(recipe(), False), (generated(), True), (recipe(size=(90, 160)), False)]
)
def test_a_finished_clip_passes(made: Recipe, generative: bool) -> None:
    """What ``finish`` gives is what the recipe says, by every check."""
    report = inspect_file(finished(made, generative=generative), made)
    assert report.faults == ()
    assert report.passed
    assert set(report.scores) == set(CHECKS)
    assert not any(report.scores.values())


def test_every_check_has_a_rule() -> None:
    """A check without a rule could never fail."""
    assert set(CHECKS) <= set(POLICY.rules)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (recipe(scene(frames=23)), {"frames", "duration", "labels"}),
        (recipe(scene(frames=48)), {"frames", "duration", "labels"}),
        (recipe(scene(fps=25)), {"fps", "duration", "labels"}),
        (recipe(size=(128, 98)), {"size", "labels"}),
        (recipe(size=(96, 128)), {"size", "labels"}),
        (recipe(scene(seed=2)), {"labels"}),
        (generated(), {"labels"}),
        (recipe(label="AI生成"), {"labels"}),
    ],
)
def test_a_file_of_another_recipe_is_found(other: Recipe, expected: set[str]) -> None:
    """Frames, length, rate, size and labels are held against the recipe, each by its own check."""
    assert faults(finished(recipe()), other) == expected


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.3, 0.7, 0.99])
def test_a_cut_file_is_a_fault_and_not_an_error(keep: float) -> None:
    """Whatever is missing is reported; nothing is raised."""
    data = finished(recipe())
    report = inspect_file(data[: int(len(data) * keep)], recipe())
    assert {fault.check for fault in report.faults} <= {"headers", "decode"}
    assert not report.passed
    assert report.policy == POLICY.name


def test_damaged_pictures_are_found() -> None:
    """Headers may be perfect and the pictures broken: every frame is decoded."""
    data = bytearray(finished(recipe()))
    place = data.index(b"mdat") + 300
    data[place : place + 400] = bytes(400)
    assert faults(bytes(data), recipe()) == {"decode"}


def test_headers_at_the_end_are_found() -> None:
    """A file that is not faststart keeps viewers waiting."""
    made = recipe()
    out = io.BytesIO()
    with av.open(io.BytesIO(finished(made)), "r") as given_:
        options = {"movflags": "use_metadata_tags"}
        with av.open(out, "w", format="mp4", options=options) as taken:
            taken.metadata.update(given_.metadata)
            stream = taken.add_stream_from_template(given_.streams.video[0])
            for packet in given_.demux(given_.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    taken.mux(packet)
    assert faults(out.getvalue(), made) == {"faststart"}


def test_sound_is_found() -> None:
    """No recipe asks for sound."""
    made = recipe(scene(frames=1))
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        sound = container.add_stream("aac", rate=44100)
        for packet in [*video.encode(av.VideoFrame(128, 96, "yuv420p")), *video.encode(None)]:
            container.mux(packet)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 44100
        for packet in [*sound.encode(samples), *sound.encode(None)]:
            container.mux(packet)
    assert "audio" in faults(out.getvalue(), made)


def test_another_pixel_format_is_found() -> None:
    """4:4:4 does not play everywhere: such a file does not even count as decodable."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv444p"
        for packet in [*stream.encode(av.VideoFrame(128, 96, "yuv444p")), *stream.encode(None)]:
            container.mux(packet)
    assert faults(out.getvalue(), recipe(scene(frames=1))) == {"decode"}


def test_labels_are_counted() -> None:
    """An unlabelled file of a generated clip has all its labels missing; a doubled label is a fault."""
    made = generated()
    bare = encode(gradient(), (128, 96), 24, Encoding(), {})
    assert inspect_file(bare, made).scores["labels"] == 4
    assert "AIGC: missing" in next(fault.message for fault in inspect_file(bare, made).faults)
    doubled = finished(made, generative=True) + meta(("AIGC", "{}"))
    assert faults(doubled, made) == {"labels"}


def test_a_check_can_be_switched_off() -> None:
    """A check the policy names is not run."""
    policy = replace(POLICY, off=frozenset({"labels"}))
    assert inspect_file(encode(gradient(), (128, 96), 24, Encoding(), {}), generated(), policy).passed


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_no_bytes_make_the_inspection_raise(data: bytes) -> None:
    """Any bytes at all end in a report that does not pass."""
    assert not inspect_file(data, recipe()).passed


def test_a_joined_file_is_inspected_by_its_parts() -> None:
    """With the parts at hand nothing is decoded, and the scores are those of decoding."""
    made = recipe(end_card=EndCard(headline="Sale", locale="en", colour="#b91c1c", seconds=0.6), size=(320, 240))
    joined = finish(base_of_gradient(), made, generative=False)
    by_parts = inspect_file(joined.data, made, parts=joined.parts)
    assert by_parts.faults == ()
    assert by_parts.scores == inspect_file(joined.data, made).scores
    assert joined.probe.frames == made.frames == 24 + 14


def test_a_file_that_is_not_its_parts_is_a_fault() -> None:
    """What was not decoded has to be shown to be what once was; one changed byte is enough."""
    made = recipe(end_card=EndCard(headline="Sale", locale="en", colour="#b91c1c"), size=(320, 240))
    joined = finish(base_of_gradient(), made, generative=False)
    data = bytearray(joined.data)
    data[-40] ^= 1
    report = inspect_file(bytes(data), made, parts=joined.parts)
    assert [fault.check for fault in report.faults] == ["decode"]
    assert not inspect_file(joined.data, made, parts=joined.parts[:1]).passed
    without = recipe(size=(320, 240))
    assert {fault.check for fault in inspect_file(joined.data, without, parts=joined.parts).faults} == {
        "frames",
        "duration",
        "labels",
    }
