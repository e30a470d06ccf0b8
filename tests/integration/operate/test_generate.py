"""skureel generate: one clip from words or a photo, checked like the service's, or an error that says what to do."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from consumer.operate.generate import DRAFT, Wish, WishError, generate, recipe_of
from consumer.operate.progress import shown
from consumer.settings import ClipSettings, Settings
from model.engine import EngineError, EngineSpec
from model.engines import open_engine
from model.label import read_labels
from model.probe import probe
from tests.commands import program, skureel
from tests.unit.model_clip.samples import PRODUCER

WISH = ("generate", "--prompt", "a red kettle on a table", "--size", "320x240", "--seconds", "0.5")
SMALL = Settings(clip=ClipSettings(size="320x240", seconds=0.5))

ENGINES = '''
import numpy as np
from model.engine import EngineError, EngineSpec, Rendered
from tests.engines import moving_gradient

class Plain:
    """Gives what it is told to give."""
    spec = EngineSpec(name="plain", revision="1", generative=False, captions=False, photos=False)
    batch_size = 1
    closed = []
    def start(self, watch): pass
    def render(self, shots, watch):
        scene = shots[0].scene
        shape = (scene.frames, scene.height, scene.width, 3)
        return [Rendered(frames=np.zeros(shape, np.uint8), seconds=0.0)]
    def close(self): self.closed.append(type(self).__name__)

class Refusing(Plain):
    def render(self, shots, watch): return [EngineError("not this one", retryable=False)]

class Dead(Plain):
    def start(self, watch): raise EngineError("no device", retryable=False)

class Dreaming(Plain):
    spec = EngineSpec(name="plain", revision="1", generative=True, captions=False, photos=True)
    def render(self, shots, watch):
        return [Rendered(frames=moving_gradient(shot.scene), seconds=0.0) for shot in shots]
'''


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of engines that go wrong."""
    (tmp_path / "generate_engines.py").write_text(ENGINES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "generate_engines", raising=False)
    return "generate_engines"


def photo(kind: str = "PNG") -> bytes:
    """A product photo: a dark disc on white."""
    picture = Image.new("RGB", (400, 400), "white")
    ImageDraw.Draw(picture).ellipse((80, 60, 320, 340), fill=(30, 60, 120))
    target = io.BytesIO()
    picture.save(target, kind)
    return target.getvalue()


def test_a_clip_of_words(tmp_path: Path) -> None:
    """The clip is playable, of the asked size and length, in a folder that is made; what it says of it is true."""
    target = tmp_path / "deep" / "clip.mp4"
    ran = skureel(*WISH, "--title", "红色水壶", "--point", "Keeps warm", "-o", target, "--json")
    assert ran.code == 0
    data = target.read_bytes()
    facts, seen = ran.json(), probe(data)
    assert (seen.width, seen.height, seen.frames) == (320, 240, 12)
    assert facts["sha256"] == hashlib.sha256(data).hexdigest()
    told = {name: facts[name] for name in ("file", "bytes", "width", "height", "frames", "duration", "engine")}
    assert told == {
        "file": str(target), "bytes": len(data), "width": 320, "height": 240, "frames": 12, "duration": 0.5,
        "engine": "storyboard",
    }  # fmt: skip
    assert [path.name for path in target.parent.iterdir()] == ["clip.mp4"]


def test_the_same_again_gives_the_same_bytes(tmp_path: Path) -> None:
    """Same arguments, same bytes; another seed, other bytes; an old file is replaced."""
    first, second, other = (tmp_path / name for name in ("1.mp4", "2.mp4", "3.mp4"))
    second.write_bytes(b"old")
    assert skureel(*WISH, "--seed", 7, "-o", first).code == 0
    assert skureel(*WISH, "--seed", 7, "-o", second).code == 0
    assert skureel(*WISH, "--seed", 8, "-o", other).code == 0
    assert first.read_bytes() == second.read_bytes()
    assert other.read_bytes() != first.read_bytes()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_clip_of_a_photo(tmp_path: Path, kind: str) -> None:
    """Each kind of photo gives a clip, and another one than the words alone."""
    image = tmp_path / "photo"
    image.write_bytes(photo(kind))
    ran = skureel(*WISH, "--image", image, "-o", tmp_path / "clip.mp4")
    assert ran.code == 0
    assert f"{tmp_path / 'clip.mp4'}: 320×240, 0.5 s, " in ran.out
    assert probe((tmp_path / "clip.mp4").read_bytes()).frames == 12


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--prompt", " "), 2, "the prompt is empty"),
        (("--seconds", "10.1"), 2, "clip.seconds: Input should be less than or equal to 10"),
        (("--seconds", "0"), 2, "clip.seconds: Input should be greater than or equal to 0.5"),
        (("--size", "321x240"), 2, "clip.size: '321x240': width and height must be even"),
        (("--seed", str(2**63)), 2, "seed"),
        (("--image", "absent.png"), 2, "absent.png: No such file"),
        (("--image", "."), 2, "Is a directory"),
        (("--image", "empty.png"), 2, "empty.png: is empty"),
        (("--image", "broken.png"), 1, "the engine refused: "),
        (("-o", "."), 2, "is a folder; name the file"),
        (("-o", "empty.png/clip.mp4"), 2, "cannot be written"),
        (("--engine", "stoyboard"), 2, "engine 'stoyboard': neither one of storyboard, wan nor"),
        (("--engine", "generate_engines:Refusing"), 1, "the engine refused: not this one"),
        (("--engine", "generate_engines:Dead"), 1, "no device"),
        (("--engine", "generate_engines:Plain", "--image", "photo.png"), 2, "takes no photo"),
        (("--engine", "generate_engines:Plain"), 1, "the clip failed inspection: "),
    ],
)
@pytest.mark.usefixtures("engines")
def test_what_gives_no_clip(tmp_path: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    """Wrong usage and failure are told apart by the exit code and said; the old file stays, and nothing beside it."""
    (tmp_path / "empty.png").touch()
    (tmp_path / "photo.png").write_bytes(photo())
    (tmp_path / "broken.png").write_bytes(photo()[:200])
    (tmp_path / "clip.mp4").write_bytes(b"old")
    before = sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__")
    ran = skureel(*WISH, "-o", "clip.mp4", *arguments)
    assert ran.code == code
    assert told in ran.err
    assert len(ran.err) < 1_000
    assert ran.out == ""
    assert (tmp_path / "clip.mp4").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == before


@pytest.mark.usefixtures("engines")
def test_a_generated_clip_of_nobody_is_a_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a producer's code: the visible label, no metadata label, and a warning. With one: both labels."""
    draft, clip = tmp_path / "draft.mp4", tmp_path / "clip.mp4"
    ran = skureel(*WISH, "--engine", "generate_engines:Dreaming", "-o", draft, "--json")
    assert ran.code == 0
    assert "a draft, not to be published: clip.producer is not set" in ran.err
    assert ran.json()["labels"] == ["visible"]
    found = read_labels(draft.read_bytes())
    assert (found.count, found.value("comment")) == (0, DRAFT)
    monkeypatch.setenv("SKUREEL_CLIP__PRODUCER", PRODUCER)
    ran = skureel(*WISH, "--engine", "generate_engines:Dreaming", "-o", clip, "--json")
    assert (ran.code, ran.err, ran.json()["labels"]) == (0, "", ["visible", "aigc"])
    assert read_labels(clip.read_bytes()).count == 1
    monkeypatch.setenv("SKUREEL_CLIP__LABEL", "made with care")
    ran = skureel(*WISH, "--engine", "generate_engines:Dreaming", "-o", clip)
    assert (ran.code, "does not say AI" in ran.err) == (2, True)


def test_the_engine_is_closed_whatever_happens(engines: str, tmp_path: Path) -> None:
    """A device is given back after a refusal and after a start that failed; not started, it needs no closing."""
    for name, error in (("Refusing", "refused"), ("Dead", "no device")):
        with pytest.raises((EngineError, RuntimeError, Exception), match=error), shown() as bar:
            generate(Wish(prompt="x"), SMALL, open_engine(f"{engines}:{name}"), tmp_path / "a.mp4", bar)
    assert sys.modules[engines].Plain.closed == ["Refusing", "Dead"]


def spec(**given: Any) -> EngineSpec:
    """What an engine says of itself."""
    return EngineSpec(**{"name": "e", "revision": "1", "generative": False, "captions": True, "photos": True, **given})


def test_recipes_of_wishes() -> None:
    """Words are taken as they are; captions, labels and photo go where the engine has a use for them."""
    plain = recipe_of(Wish(prompt="a kettle"), SMALL, spec())
    assert (plain.scene.captions, plain.scene.mode, plain.dressing.overlays.label) == (("a kettle",), "text", None)
    titled = recipe_of(Wish(prompt="a kettle", captions=("Kettle", "Hot")), SMALL, spec())
    assert titled.scene.captions == ("Kettle", "Hot")
    silent = recipe_of(Wish(prompt="a kettle", captions=("Kettle",)), SMALL, spec(captions=False))
    assert silent.scene.captions == ()
    labelled = SMALL.model_copy(update={"clip": SMALL.clip.model_copy(update={"producer": "0" * 27})})
    generated = recipe_of(Wish(prompt="a kettle", photo=b"x"), labelled, spec(generative=True))
    assert (generated.scene.mode, generated.dressing.overlays.label) == ("image", "AI生成")
    assert generated.dressing.producer == "0" * 27
    assert generated.scene.photo is not None
    assert generated.scene.photo.sha256 == hashlib.sha256(b"x").hexdigest()
    with pytest.raises(WishError, match="takes no photo"):
        recipe_of(Wish(prompt="a kettle", photo=b"x"), SMALL, spec(photos=False))


def test_settings_and_arguments_meet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Arguments win over settings one by one: the frame rate of the environment stays."""
    monkeypatch.setenv("SKUREEL_CLIP__FPS", "10")
    monkeypatch.setenv("SKUREEL_CLIP__SECONDS", "9")
    assert skureel(*WISH, "-o", tmp_path / "clip.mp4").code == 0
    assert probe((tmp_path / "clip.mp4").read_bytes()).frames == 5


def test_the_program(tmp_path: Path) -> None:
    """The installed program writes the same bytes, and nothing but its one line."""
    assert skureel(*WISH, "-o", tmp_path / "here.mp4").code == 0
    ran = program(*WISH, "-o", "there.mp4")
    assert (ran.code, ran.err, ran.out.count("\n")) == (0, "", 1)
    assert (tmp_path / "there.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()
