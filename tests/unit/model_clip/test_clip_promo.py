"""Promotions from end to end: each depth of work gives the same bytes, and touches only what it should."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
from PIL import Image

from model import finish as module
from model.dress import check_dressing, dress
from model.encode import decode, encode, encode_base
from model.endcard import encode_segment, segment_of
from model.errors import DressError, LabelError, SpliceError, WordsError
from model.finish import Body, dress_body, finish, finish_body
from model.inspect import inspect_file
from model.label import check_labels, tags_for
from model.recipe import Encoding, EndCard, Recipe, Ribbon
from tests.unit.model_clip.samples import PRODUCER, base_of_gradient, generated, pan, recipe, scene

RIBBON = Ribbon(text="满300减50", locale="zh-CN", colour="#b91c1c")
CARD = EndCard(headline="全场五折", subline="今晚八点", locale="zh-CN", colour="#0f766e", seconds=0.6)
BASE = encode_base(pan(48, 240, 320), 24)
SIZE = (320, 240)


def promoted(
    *, ribbon: Ribbon | None = RIBBON, card: EndCard | None = CARD, size: tuple[int, int] = SIZE, frames: int = 48
) -> Recipe:
    """The recipe of a generated clip with a promotion."""
    of = scene(width=320, height=240, frames=frames)
    return recipe(of, size=size, label="AI生成", producer=PRODUCER, ribbon=ribbon, end_card=card)


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (240, 240), (480, 270)])
@pytest.mark.parametrize(("ribbon", "card"), [(RIBBON, None), (None, CARD), (RIBBON, CARD)])
def test_a_promoted_clip_is_whole_labelled_and_inspected(
    size: tuple[int, int], ribbon: Ribbon | None, card: EndCard | None
) -> None:
    """It has the recipe's frames, its labels once, read back, and passes the inspection by decoding and by parts."""
    made = promoted(ribbon=ribbon, card=card, size=size)
    finished = finish(BASE, made, generative=True)
    assert finished.labels == ("visible", "aigc")
    assert finished.has_text
    assert check_labels(finished.data, made, generative=True) == []
    assert finished.probe.frames == made.frames
    assert finished.probe.duration == pytest.approx(made.duration)
    assert inspect_file(finished.data, made).faults == ()
    assert inspect_file(finished.data, made, parts=finished.parts).faults == ()
    with Image.open(io.BytesIO(finished.poster)) as image:
        assert image.size == size


def test_splicing_a_stored_body_gives_the_bytes_of_finishing() -> None:
    """Whether base or body was at hand cannot be told from the clip, so its digest names one file."""
    made = promoted()
    body = dress_body(BASE, promoted(card=None))
    spliced, finished = finish_body(body, made, generative=True), finish(BASE, made, generative=True)
    assert (spliced.data, spliced.poster, spliced.sha256) == (finished.data, finished.poster, finished.sha256)


@pytest.mark.parametrize("made", [recipe(), generated(), recipe(size=(90, 160), encoding=Encoding(crf=30, gop=12))])
def test_a_clip_without_promotion_is_what_encoding_makes_of_it(made: Recipe) -> None:
    """The way over a body leaves no trace: the bytes are those of one encode with the tags."""
    generative, over = made.dressing.producer is not None, made.dressing.overlays
    shown = dress(base_of_gradient(), over, made.scene)
    expected = encode(shown, (over.width, over.height), 24, over.encoding, tags_for(made, generative))
    assert finish(base_of_gradient(), made, generative=generative).data == expected


def test_one_body_serves_every_end_card() -> None:
    """A change of the card alone changes neither body nor poster, and none of the body's pictures."""
    body = dress_body(BASE, promoted())
    other = EndCard(headline="Last day", locale="en", colour="#111827")
    clips = [finish_body(body, promoted(card=card), generative=True) for card in (None, CARD, other)]
    assert len({clip.sha256 for clip in clips}) == 3
    assert {clip.poster for clip in clips} == {body.poster}
    shown = decode(body.data)
    assert all((decode(clip.data)[:48] == shown).all() for clip in clips)


def test_the_seam_shows_the_last_frame_and_then_the_card() -> None:
    """Picture 47 is the body's last, 48 the card's first; neither leaks into the other."""
    made = promoted()
    shown = decode(finish(BASE, made, generative=True).data)
    segment = segment_of(made)
    assert segment is not None
    assert (shown[47] == decode(dress_body(BASE, made).data)[-1]).all()
    assert (shown[48] == decode(encode_segment(segment))[0]).all()
    assert np.abs(shown[47].astype(int) - shown[48]).mean() > 20


def test_outside_the_dressing_the_clip_is_the_base() -> None:
    """Above the ribbon and beside the label the pictures are the base's, as near as the encoder comes anyway."""
    plain = decode(finish(BASE, promoted(ribbon=None, card=None), generative=True).data).astype(int)
    dressed = decode(finish(BASE, promoted(), generative=True).data).astype(int)[:48]
    base = decode(BASE).astype(int)
    there = (slice(None), slice(40, 170))
    tolerance = np.abs(plain[there] - base[there]).mean((1, 2, 3))
    assert (np.abs(dressed[there] - base[there]).mean((1, 2, 3)) <= tolerance + 0.5).all()
    for frame in (0, 47):
        assert np.abs(dressed[frame, 40:] - base[frame, 40:]).mean() <= tolerance.max() + 0.5
    assert np.abs(dressed[24, 190:] - base[24, 190:]).mean() > 10


def test_the_poster_shows_the_ribbon_at_rest() -> None:
    """A poster with half a ribbon would look broken: only frames where it stands still are candidates."""
    body = dress_body(BASE, promoted(card=None))
    with Image.open(io.BytesIO(body.poster)) as image:
        picture = np.asarray(image).astype(int)
    resting = decode(body.data)[24].astype(int)
    band = (slice(200, 225), slice(0, 110))
    assert np.abs(picture[band] - resting[band]).mean() < 12


@pytest.mark.parametrize("frames", [25, 49])
def test_bodies_that_end_in_a_key_frame_are_joined_too(frames: int) -> None:
    """Wan's clips have 4k + 1 frames: with groups of 24 the last one often stands alone."""
    base = encode_base(pan(frames, 240, 320), 24)
    made = promoted(frames=frames)
    finished = finish(base, made, generative=True)
    assert len(finished.parts) == 2
    assert inspect_file(finished.data, made).faults == ()


def test_a_body_of_another_recipe_is_not_joined() -> None:
    """Another size, other settings or another length: the caller is told to dress the base again."""
    body = dress_body(BASE, promoted())
    for made in (promoted(size=(240, 320)), promoted(frames=47)):
        with pytest.raises(SpliceError):
            finish_body(body, made, generative=True)
    with pytest.raises(SpliceError):
        finish_body(Body(data=body.data[:-100], poster=b""), promoted(), generative=True)


def test_where_files_cannot_be_joined_body_and_card_are_encoded_together(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An encoder whose segments do not match still gives a clip, labelled and whole; only the saving is lost."""
    made = promoted()
    unlike = encode(pan(14, 240, 320), SIZE, 24, Encoding(crf=40), {})
    monkeypatch.setattr(module, "encode_segment", lambda _segment: unlike)
    with caplog.at_level(logging.WARNING):
        finished = finish(BASE, made, generative=True)
    assert "different settings" in caplog.text
    assert finished.parts == ()
    assert inspect_file(finished.data, made).faults == ()
    shown = decode(finished.data)
    assert len(shown) == made.frames
    assert np.abs(shown[47].astype(int) - decode(BASE)[47])[40:].mean() < 6


@pytest.mark.parametrize(
    ("made", "field"),
    [
        (promoted(ribbon=Ribbon(text="满" * 300, locale="zh", colour="#000000")), "overlays.ribbon.text"),
        (promoted(ribbon=Ribbon(text="🔥", locale="zh", colour="#000000")), "overlays.ribbon.text"),
        (promoted(card=EndCard(headline="خصم", locale="ar", colour="#000000")), "end_card.headline"),
        (promoted(card=EndCard(headline="Sale", subline="x" * 300, locale="en", colour="#000000")), "end_card.subline"),
    ],
)
def test_words_that_cannot_be_drawn_are_refused_before_any_work(made: Recipe, field: str) -> None:
    """By name and with the reason; the planner can ask the same without a clip."""
    with pytest.raises(WordsError, match=f"dressing.{field}") as caught:
        finish(b"not even read", made, generative=True)
    assert caught.value.field == f"dressing.{field}"
    with pytest.raises(WordsError):
        check_dressing(made)
    check_dressing(promoted())


def test_a_promotion_does_not_excuse_from_labels() -> None:
    """A generated clip with a ribbon and without a producer is never made."""
    with pytest.raises(LabelError, match="SKUREEL_CLIP__PRODUCER"):
        finish(b"not even read", recipe(label="AI生成", ribbon=RIBBON, end_card=CARD), generative=True)
    with pytest.raises(DressError, match="label"):
        check_dressing(recipe(label="AI generated " * 9, size=(480, 480)))


def test_promotions_say_so_on_clips_without_a_model() -> None:
    """A ribbon's words are words on the picture; the clip has no AI label for that."""
    finished = finish(BASE, recipe(promoted().scene, ribbon=RIBBON, end_card=CARD), generative=False)
    assert finished.has_text
    assert finished.labels == ()
