"""Good clips of many kinds, as a shop would publish them: what the inspection must let pass. Deterministic."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from consumer.operate import samples
from consumer.planner.prompting import vocabulary
from model.engine import Frames, Rendered, Shot
from model.engines import open_engine
from model.inspect import NOTHING, Expected
from model.recipe import Photo, Scene
from model.storyboard.engine import Storyboard
from model.storyboard.spec import SPEC
from model.wan.options import WanOptions
from tests.unit.model_clip.samples import gradient, on_ground, pan, photo

FPS = 24
FRAMES, HEIGHT, WIDTH = 48, 180, 240
SHAPE = {"frames": FRAMES, "height": HEIGHT, "width": WIDTH}
Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """A clip, and what is known of its product."""

    kind: str
    name: str
    frames: Frames
    expected: Expected = NOTHING

    @property
    def scene(self) -> Scene:
        """A scene that asks for just this clip."""
        count, height, width, _ = self.frames.shape
        return Scene(
            mode="text",
            prompt=self.expected.caption or self.name,
            captions=self.expected.words,
            seed=1,
            width=width,
            height=height,
            frames=count,
            fps=FPS,
            engine=SPEC.name,
            engine_revision=SPEC.revision,
        )


TINY_MODEL = "soft colours of a tiny model"
"""The kind that takes torch and a minute."""
Kind = Callable[[], Iterator[tuple[str, Frames, Expected]]]
KINDS: dict[str, Kind] = {}


def _kind(name: str) -> Callable[[Kind], Kind]:
    def register(make: Kind) -> Kind:
        KINDS[name] = make
        return make

    return register


def good_clips(*kinds: str) -> Iterator[Good]:
    """All good clips, or those of some kinds, one after the other."""
    for kind in kinds or KINDS:
        for name, frames, expected in KINDS[kind]():
            yield Good(kind=kind, name=name, frames=frames, expected=expected)


def _known(**facts: object) -> Expected:
    return replace(NOTHING, **facts)  # type: ignore[arg-type]


@_kind("product on storyboard")
def _products() -> Iterator[tuple[str, Frames, Expected]]:
    sizes = ((240, 180), (320, 240), (180, 320), (160, 120), (256, 256))
    chosen = [each for each in samples.products() if each.images][::2]
    for index, product in enumerate(chosen):
        width, height = sizes[index % len(sizes)]
        picture = samples.draw_photo(product, (384, 384))
        words = (product.name, *product.selling_points)
        known = _known(colour=vocabulary.rgb(product.colour or ""), photo=picture, words=words)
        yield f"{product.product_id} {width}x{height}", storyboard(words, width, height, picture, index), known


@_kind("words on storyboard")
def _words() -> Iterator[tuple[str, Frames, Expected]]:
    texts = (
        ("不锈钢保温杯", "保温 24 小时", "一键开盖"),
        ("Wireless earbuds", "30 h battery", "Waterproof"),
        ("A very long title that runs over several lines", "One", "Two"),
        ("A",),
        ("复古电热水壶 1.2L", "5分钟快速烧开", "304不锈钢内胆", "三重防干烧保护"),
        ("Heavyweight Cotton T-Shirt", "Pre-washed, keeps its shape", "Ribbed collar that stays flat"),
    )
    sizes = ((240, 180), (320, 240), (160, 120), (240, 180), (160, 120), (160, 120))
    for index, (words, (width, height)) in enumerate(zip(texts, sizes, strict=True)):
        yield f"{words[0][:20]} {width}x{height}", storyboard(words, width, height, None, index), _known(words=words)


@_kind("small print")
def _print() -> Iterator[tuple[str, Frames, Expected]]:
    for index, (width, height) in enumerate(((160, 120), (160, 120), (240, 180), (128, 96))):
        page = _page(width, height, index)
        yield f"page of text {width}x{height} {index}", page, _known(photo=png(page[0]))


@_kind("camera over a photo")
def _pans() -> Iterator[tuple[str, Frames, Expected]]:
    for seed, step in ((2, 1), (3, 5), (12, 2), (13, 8)):
        yield f"pan by {step}", pan(**SHAPE, seed=seed, step=step), NOTHING
    yield "slow zoom", _zoom(photo(HEIGHT * 2, WIDTH * 2, 8), 0.04), NOTHING
    yield "quick zoom", _zoom(photo(HEIGHT * 2, WIDTH * 2, 9), 0.5), NOTHING


@_kind("gradient")
def _gradients() -> Iterator[tuple[str, Frames, Expected]]:
    yield "gradient", gradient(**SHAPE), NOTHING
    yield "pale gradient", gradient(**SHAPE, low=215, high=250), NOTHING
    yield "dark gradient", gradient(**SHAPE, low=5, high=60), NOTHING
    yield "teal gradient", (gradient(**SHAPE) * np.array([0.2, 0.8, 0.8])).astype(np.uint8), NOTHING


@_kind("texture")
def _textures() -> Iterator[tuple[str, Frames, Expected]]:
    for name, picture in (
        ("rough stone", photo(HEIGHT, WIDTH + FRAMES, 11, roughness=0.95)),
        ("rough wool", photo(HEIGHT, WIDTH + FRAMES, 21, roughness=0.9)),
        ("terrazzo", _terrazzo(4)),
        ("gravel", _terrazzo(7, share=0.8)),
        ("knitwear", _weave(9)),
        ("linen", _weave(6)),
    ):
        yield name, np.stack([picture[:, i : i + WIDTH] for i in range(FRAMES)]), NOTHING
    yield "sensor grain", with_noise(pan(**SHAPE, seed=6), 6.0), NOTHING
    yield "grain in the dark", with_noise(gradient(**SHAPE, low=5, high=60), 4.0), NOTHING


@_kind("product on plain ground")
def _grounds() -> Iterator[tuple[str, Frames, Expected]]:
    yield "on white", on_ground(255, **SHAPE), NOTHING
    yield "small on white", on_ground(255, **SHAPE, side=0.3), NOTHING
    yield "on black", on_ground(0, **SHAPE), NOTHING
    yield "on grey", on_ground(120, **SHAPE, side=0.6), NOTHING


@_kind("coloured product")
def _coloured() -> Iterator[tuple[str, Frames, Expected]]:
    words = ("red", "navy", "forest green", "mustard", "lavender", "coral", "teal", "深灰色", "粉色", "orange")
    grounds = (255, 235, 30, 250, 245, 40, 255, 240, 250, 60)
    for index, (word, ground) in enumerate(zip(words, grounds, strict=True)):
        colour = vocabulary.rgb(word)
        assert colour is not None, word
        yield f"{word} on {ground}", ball(colour, ground, index), _known(colour=colour)


@_kind("white on white")
def _white() -> Iterator[tuple[str, Frames, Expected]]:
    for index, shade in enumerate((246, 240, 232, 249)):
        yield f"{shade} on 255", ball((shade, shade, shade), 255, index), NOTHING


@_kind("dark product")
def _dark() -> Iterator[tuple[str, Frames, Expected]]:
    for index, (shade, ground) in enumerate(((45, 12), (60, 25), (35, 70), (20, 255))):
        yield f"{shade} on {ground}", ball((shade, shade, shade + 4), ground, index), NOTHING


@_kind("fast motion")
def _fast() -> Iterator[tuple[str, Frames, Expected]]:
    yield "ball rolls", ball((180, 60, 40), 220, 3, speed=8), NOTHING
    yield "ball swings", ball((40, 60, 180), 120, 4, speed=14), NOTHING
    yield "turntable", _turn(photo(HEIGHT, HEIGHT, 17), 6.0), NOTHING
    yield "fast pan", pan(**SHAPE, seed=23, step=12), NOTHING


@_kind("change of light")
def _light() -> Iterator[tuple[str, Frames, Expected]]:
    yield "fade from white", _faded(pan(**SHAPE, seed=4), 255), NOTHING
    yield "fade from grey", _faded(pan(**SHAPE, seed=5), 60), NOTHING
    lamp = pan(**SHAPE, seed=7).copy()
    lamp[: FRAMES // 2] //= 2
    yield "lamp switched on", lamp, NOTHING
    dimmed = pan(**SHAPE, seed=27) * np.linspace(1, 0.4, FRAMES)[:, None, None, None]
    yield "dimmed", dimmed.astype(np.uint8), NOTHING


@_kind(TINY_MODEL)
def _wan() -> Iterator[tuple[str, Frames, Expected]]:
    from model.wan.tiny import make_tiny  # noqa: PLC0415 - torch, for those who want these clips

    with tempfile.TemporaryDirectory() as folder:
        make_tiny(Path(folder) / "tiny")
        engine = open_engine("wan", WanOptions(checkpoint=str(Path(folder) / "tiny"), clip_frames=49))
        engine.start()
        try:
            for index, (width, height) in enumerate(((160, 96), (128, 96))):
                shot = Shot(scene=_wan_scene(engine.spec.name, engine.spec.revision, width, height, index))
                (made,) = engine.render([shot])
                assert isinstance(made, Rendered), made
                yield f"{width}x{height}", made.frames, NOTHING
        finally:
            engine.close()


def _wan_scene(engine: str, revision: str, width: int, height: int, seed: int) -> Scene:
    words = ("a red kettle on a table", "a blue mug", "green shoes on stone", "a golden ring")
    return Scene(
        mode="text",
        prompt=words[seed],
        seed=seed,
        width=width,
        height=height,
        frames=49,
        fps=FPS,
        engine=engine,
        engine_revision=revision,
        steps=3,
        guidance=3.0,
    )


@cache
def storyboard(words: tuple[str, ...], width: int, height: int, picture: bytes | None, seed: int) -> Frames:
    """What the storyboard engine draws for a title and selling points, with or without a photo."""
    engine = Storyboard()
    engine.start()
    scene = Scene(
        mode="image" if picture else "text",
        prompt=words[0],
        photo=Photo(url="store:photo") if picture else None,
        captions=words,
        seed=seed,
        width=width,
        height=height,
        frames=FRAMES,
        fps=FPS,
        engine=SPEC.name,
        engine_revision=SPEC.revision,
    )
    (result,) = engine.render([Shot(scene=scene, photo=picture)])
    assert isinstance(result, Rendered), result
    return result.frames


def ball(colour: Rgb, ground: int, seed: int, *, speed: float = 0.5) -> Frames:
    """A lit ball of one colour that swings over a softly lit ground, at most ``speed`` pixels a frame."""
    rng = np.random.default_rng(seed)
    radius = HEIGHT * rng.uniform(0.22, 0.36)
    reach = WIDTH / 2 - radius
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    back = np.clip(ground - 6 * (y / HEIGHT)[..., None] * (ground < 250), 0, 255) * np.ones(3)
    frames = []
    for index in range(FRAMES):
        middle_x = WIDTH / 2 + reach * np.sin(seed + index * speed / reach)
        away = np.hypot(x - middle_x, y - HEIGHT / 2) / radius
        shade = 1.12 - 0.4 * np.clip(np.hypot(x - middle_x + radius / 3, y - HEIGHT / 2.6) / radius, 0, 1.3)
        lit = np.clip(np.array(colour) * shade[..., None], 0, 255)
        edge = np.clip((1 - away) * radius / 1.5, 0, 1)[..., None]
        frames.append((back * (1 - edge) + lit * edge).astype(np.uint8))
    return np.stack(frames)


def with_noise(clip: Frames, sigma: float) -> Frames:
    """The clip under normal noise, another in each frame."""
    noise = np.random.default_rng(9).standard_normal(clip.shape, dtype=np.float32) * np.float32(sigma)
    noisy: Frames = np.clip(clip + noise, 0, 255).astype(np.uint8)
    return noisy


def png(picture: Frames) -> bytes:
    """One picture as a file."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


def _page(width: int, height: int, seed: int) -> Frames:
    """A leaflet, printed as small as it can be drawn, over which the camera drifts."""
    sheet = Image.new("RGB", (width + FRAMES, height + 20), (250, 248, 240))
    draw = ImageDraw.Draw(sheet)
    rng = np.random.default_rng(seed)
    letters = "etaoin shrdlu cmfwyp vbgkqj MWHEB 0123456789"
    for top in range(2, height + 20, 10 if seed % 2 else 11):
        draw.text((2, top), "".join(rng.choice(list(letters), 80)), fill=(20, 20, 30))
    page = np.asarray(sheet)
    return np.stack([page[i // 3 : i // 3 + height, i // 2 : i // 2 + width] for i in range(FRAMES)])


def _terrazzo(grain: int, share: float = 0.3) -> Frames:
    rng = np.random.default_rng(grain)
    height, wide = HEIGHT, WIDTH + FRAMES
    stones = Image.new("RGB", (wide, height), (222, 216, 205))
    draw = ImageDraw.Draw(stones)
    for _ in range(int(share * height * wide / grain**2)):
        x, y, size = rng.uniform(0, wide), rng.uniform(0, height), grain * rng.uniform(0.6, 1.4) / 2
        draw.ellipse((x - size, y - size, x + size, y + size), fill=tuple(int(v) for v in rng.integers(60, 230, 3)))
    return np.asarray(stones.resize((wide, height), Image.Resampling.BICUBIC))


def _weave(period: int) -> Frames:
    y, x = np.mgrid[0:HEIGHT, 0 : WIDTH + FRAMES]
    threads = np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / (period * 1.1))
    base = photo(HEIGHT, WIDTH + FRAMES, period).astype(np.float32)
    woven: Frames = np.clip(base * 0.7 + 40 + 22 * threads[..., None], 0, 255).astype(np.uint8)
    return woven


def _zoom(picture: Frames, share: float) -> Frames:
    image = Image.fromarray(picture)
    frames = []
    for index in range(FRAMES):
        inset = share * index / FRAMES / 2
        window = (image.width * inset, image.height * inset, image.width * (1 - inset), image.height * (1 - inset))
        frames.append(np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, window)))
    return np.stack(frames)


def _turn(picture: Frames, degrees: float) -> Frames:
    image = Image.fromarray(picture)
    turned = [image.rotate(degrees * index, Image.Resampling.BICUBIC) for index in range(FRAMES)]
    wide = np.full((FRAMES, HEIGHT, WIDTH, 3), 200, np.uint8)
    left = (WIDTH - HEIGHT) // 2
    disc = np.hypot(*np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : HEIGHT * 1j]) < 0.95
    for index, each in enumerate(turned):
        wide[index, :, left : left + HEIGHT][disc] = np.asarray(each)[disc]
    return wide


def _faded(clip: Frames, start: int, frames: int = 10) -> Frames:
    share = np.clip(np.arange(1, len(clip) + 1) / frames, 0, 1)[:, None, None, None]
    return (clip * share + start * (1 - share)).astype(np.uint8)
