"""Laws of prompts and photos as conditions: what stock pipelines make of them, once each, whatever comes in."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model.engine import Size
from model.wan import conditions
from model.wan.checkpoint import Checkpoint
from model.wan.load import Parts, load_parts
from model.wan.text import Prompts
from tests.unit.model_wan.stock import Stock, photo, profile

CPU = torch.device("cpu")
TOKENS = 64


@pytest.fixture(scope="module")
def parts(tiny: Checkpoint) -> Parts:
    """The tiny model."""
    return load_parts(tiny, profile(), lambda _: None)


def prompts(parts: Parts, **more: Any) -> Prompts:
    """An empty cache over it."""
    return Prompts(parts.tokenizer, parts.text_encoder, tokens=TOKENS, **more)


@pytest.mark.parametrize(
    "prompt",
    [
        "a red kettle",
        "",
        "  two   spaces ",
        "红色水壶，木桌",
        "&lt;b&gt; entities &amp;amp;",
        "ﬁne “quotes”…",
        "long " * 200,
        "\0\n🙂",
    ],
)
@torch.inference_mode()
def test_embeddings_are_stocks(tiny: Checkpoint, parts: Parts, prompt: str) -> None:
    """Cleaned, cut, padded and embedded as WanPipeline does it, with zeros behind the last token."""
    expected, _ = Stock(tiny, profile()).text.encode_prompt(
        prompt, do_classifier_free_guidance=False, max_sequence_length=TOKENS, device=CPU
    )
    found = prompts(parts).embed([prompt], CPU, lambda: CPU)
    assert found.shape == expected.shape
    assert torch.equal(found, expected)


@torch.inference_mode()
def test_an_embedding_does_not_depend_on_its_company(parts: Parts) -> None:
    """In a list, alone, from the encoder or from the cache: the same bits."""
    cache = prompts(parts)
    together = cache.embed(["one", "a longer prompt", "one"], CPU, lambda: CPU)
    assert torch.equal(together[0], together[2])
    for place, prompt in enumerate(["one", "a longer prompt"]):
        assert torch.equal(prompts(parts).embed([prompt], CPU, lambda: CPU)[0], together[place])
        assert torch.equal(cache.embed([prompt], CPU, lambda: CPU)[0], together[place])
    assert (cache.misses, cache.hits) == (2, 3)


@torch.inference_mode()
def test_the_encoder_is_asked_for_only_when_it_is_needed(parts: Parts) -> None:
    """Known prompts cost no move of the encoder to the device."""
    asked: list[str] = []

    def encoding() -> torch.device:
        asked.append("once")
        return CPU

    cache = prompts(parts)
    cache.embed(["one", "two"], CPU, encoding)
    assert cache.missing(["one", " one ", "three"]) == ["three"]
    cache.embed(["two", "one", " one "], CPU, encoding)
    assert asked == ["once"]


@torch.inference_mode()
def test_the_cache_is_bounded(parts: Parts) -> None:
    """The prompts used longest ago are forgotten first, and embedding more than it holds still works."""
    cache = prompts(parts, kept=2)
    assert len(cache.embed(["one", "two", "three"], CPU, lambda: CPU)) == 3
    assert cache.missing(["one", "two", "three"]) == ["one"]
    cache.embed(["two"], CPU, lambda: CPU)
    cache.embed(["four"], CPU, lambda: CPU)
    assert cache.missing(["two", "three", "four"]) == ["three"]


@torch.inference_mode()
def test_a_prompt_that_is_too_long_is_cut_and_said_so(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    """Never in silence."""
    prompts(parts).embed(["word " * 100], CPU, lambda: CPU)
    assert f"prompt cut to its first {TOKENS} tokens: word word" in caplog.text
    caplog.clear()
    prompts(parts).embed(["word"], CPU, lambda: CPU)
    assert not caplog.text


@torch.inference_mode()
def test_photo_latents_are_stocks(tiny: Checkpoint, parts: Parts) -> None:
    """A photo of the render size is encoded to the latents that WanImageToVideoPipeline conditions on."""
    pipeline = Stock(tiny, profile()).image
    picture = Image.open(io.BytesIO(photo(3)))
    pixels = pipeline.video_processor.preprocess(picture, height=64, width=96).to(torch.float32)
    _, expected, _ = pipeline.prepare_latents(pixels, 1, 48, 64, 96, 9, torch.float32, CPU, torch.Generator())
    assert (conditions.encode(parts.vae, picture, CPU) - expected).abs().max() <= 1e-6


@pytest.mark.parametrize("size", [(96, 64), (64, 96), (300, 300), (40, 1000), (33, 7)])
@pytest.mark.parametrize("fit", ["letterbox", "crop"])
def test_photos_of_any_shape_fill_the_frame(size: tuple[int, int], fit: Any) -> None:
    """The result has exactly the render size."""
    found = conditions.fitted(photo(1, size), Size(96, 64), fit)
    assert (found.size, found.mode) == ((96, 64), "RGB")


def framed(size: tuple[int, int], ground: tuple[int, int, int]) -> bytes:
    """A disc in the middle of a ground."""
    width, height = size
    pixels = np.full((height, width, 3), ground, np.uint8)
    y, x = np.mgrid[:height, :width]
    pixels[(x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(size) / 4) ** 2] = (200, 30, 30)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


@pytest.mark.parametrize("ground", [(255, 255, 255), (20, 90, 160)])
def test_a_letterbox_continues_the_photos_own_ground(ground: tuple[int, int, int]) -> None:
    """A product on a plain ground stands in the middle of more of that ground: no bars are to be seen."""
    pixels = np.asarray(conditions.fitted(framed((200, 200), ground), Size(192, 96), "letterbox"))
    assert np.abs(pixels[:, 0].astype(int) - ground).max() <= 1
    assert np.abs(pixels[:, 47].astype(int) - ground).max() <= 1
    assert tuple(pixels[48, 96]) == (200, 30, 30)


def test_tensors_run_from_minus_one_to_one() -> None:
    """Black is -1 and white 1, channels first, one frame."""
    picture = Image.new("RGB", (4, 2), (0, 255, 0))
    found = conditions.as_tensor(picture)
    assert found.shape == (1, 3, 1, 2, 4)
    assert found[0, :, 0, 0, 0].tolist() == [-1.0, 1.0, -1.0]
