"""Laws of profiles: the built-in ones are sound, what decides the picture is in the digest, contradictions are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model.engine import EngineError, Size, shape_for
from model.wan.options import WanOptions, profile_of, spec_of
from model.wan.profile import FRAME_STEP, GRID, Profile, ProfileError, known, load

GOOD: dict[str, Any] = {
    "name": "mine",
    "about": "",
    "modes": ["text"],
    "sampler": "unipc",
    "steps": 20,
    "guidance": 5.0,
    "buckets": [{"render": [832, 480]}],
}


def profile(**changes: Any) -> Profile:
    """A sound profile, or as changed."""
    return Profile.model_validate(GOOD | changes)


def written(folder: Path, text: str) -> str:
    """The path of a profile of one's own."""
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", known())
def test_built_in_profiles_are_sound(name: str) -> None:
    """Each loads, renders on the model's grid, and has a bucket near each of the sizes that clips are made in."""
    found = load(name)
    assert found.name == name
    assert found.about.endswith(".")
    spec = spec_of(WanOptions(checkpoint="owner/name", revision="0" * 40, profile=name), found)
    for bucket in found.buckets:
        assert all(side % GRID == 0 for side in bucket.render)
        assert bucket.render[0] / bucket.render[1] == pytest.approx(bucket.base[0] / bucket.base[1], rel=0.01)
    for wanted in (Size(640, 480), Size(854, 480), Size(480, 854), Size(480, 480)):
        width, height, frames = shape_for(spec, wanted, 96, 24)
        assert frames == 97
        scale = max(wanted.width / width, wanted.height / height)
        kept = wanted.width * wanted.height / (width * height * scale**2)
        assert kept > 0.75, f"{wanted} from {width}x{height} loses {1 - kept:.0%}"


def test_the_fast_profiles_take_no_photos_and_no_guidance() -> None:
    """Distilled checkpoints are text only; the others take both."""
    for name in known():
        found = load(name)
        distilled = found.sampler == "few-step"
        assert ("image" in found.modes) is not distilled
        assert found.guided is not distilled


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 21},
        {"guidance": 4.0},
        {"shift": 3.0},
        {"sampler": "few-step", "steps": 1, "timesteps": [999], "guidance": 1.0},
        {"text_tokens": 256},
        {"negative_prompt": "blur"},
        {"dtype": "float32"},
        {"photo_fit": "crop"},
        {"step_cache": 0.1},
        {"buckets": [{"render": [832, 480]}, {"render": [480, 832]}]},
        {"buckets": [{"render": [832, 480], "base": [416, 240]}]},
        {"decode": {"dtype": "bfloat16"}},
        {"adapters": [{"file": "a.safetensors", "sha256": "0" * 64}]},
        {"fps": 16},
    ],
)
def test_what_decides_the_picture_decides_the_digest(change: dict[str, Any]) -> None:
    """Every field that changes pixels changes the digest."""
    assert profile(**change).digest != profile().digest


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"about": "words"},
        {"max_frames": 81},
        {"layout": {"batch": 4, "compile": True, "overlap": False, "frames_at_once": 1, "warm_up": False}},
    ],
)
def test_how_the_work_is_laid_out_does_not(change: dict[str, Any]) -> None:
    """Names and layout give the same clips, so they keep their names."""
    assert profile(**change).digest == profile().digest


def test_an_adapter_counts_by_its_content() -> None:
    """Where an adapter's file lies is of no matter; what is in it and how much of it is."""

    def digest(**changes: Any) -> str:
        return profile(adapters=[{"file": "a.safetensors", "sha256": "0" * 64, "weight": 1.0} | changes]).digest

    assert digest(file="elsewhere/b.safetensors") == digest()
    assert digest(weight=0.5) != digest()
    assert digest(sha256="1" * 64) != digest()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"buckets": []}, "at least 1 item"),
        ({"buckets": [{"render": [830, 480]}]}, "render 830x480: sides must be multiples of 32"),
        ({"buckets": [{"render": [832, 480], "base": [831, 480]}]}, "sides must be even"),
        ({"buckets": [{"render": [832, 480], "base": [834, 480]}]}, "clips are never enlarged here"),
        ({"buckets": [{"render": [832, 480]}, {"render": [832, 480]}]}, "two of one base size"),
        ({"max_frames": 120}, "max_frames: 120 is not a multiple of 4 and one more"),
        ({"modes": ["text", "text"]}, "one of them twice"),
        ({"modes": ["video"]}, "'text' or 'image'"),
        ({"timesteps": [1000]}, "only the few-step sampler takes them"),
        ({"sampler": "few-step", "steps": 2, "timesteps": [9], "guidance": 1.0}, "1 for 2 steps"),
        ({"sampler": "few-step", "steps": 2, "timesteps": [5, 9], "guidance": 1.0}, "do not fall"),
        ({"sampler": "few-step", "steps": 1, "timesteps": [9]}, "distilled checkpoints take none"),
        (
            {"sampler": "few-step", "steps": 1, "timesteps": [9], "guidance": 1.0, "modes": ["image"]},
            "distilled checkpoints are text only",
        ),
        (
            {"sampler": "few-step", "steps": 1, "timesteps": [9], "guidance": 1.0, "step_cache": 0.1},
            "nothing in common to keep",
        ),
        ({"adapters": [{"file": "a", "sha256": "xyz"}]}, "String should match pattern"),
        ({"guidence": 3.0}, "Extra inputs are not permitted"),
        ({"steps": 0}, "greater than or equal to 1"),
    ],
)
def test_contradictions_are_told(change: dict[str, Any], told: str) -> None:
    """A profile that cannot be meant is refused with the reason."""
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        profile(**change)


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    """A TOML file is a profile; adapters lie relative to it; its name is the file's."""
    path = written(
        tmp_path,
        f"""
about = "Ours."
modes = ["image"]
sampler = "unipc"
steps = 25
guidance = 4.0
buckets = [{{ render = [832, 480] }}]
adapters = [{{ file = "brand.safetensors", sha256 = "{"0" * 64}", weight = 0.8 }}]
""",
    )
    found = load(path)
    assert (found.name, found.steps, found.adapters[0].file) == ("mine", 25, tmp_path / "brand.safetensors")
    spec = spec_of(WanOptions(checkpoint="owner/name", revision="0" * 40, profile=path), found)
    assert (spec.photos, spec.texts, spec.negative, spec.fps) == (True, False, True, 24)
    assert spec.frame_step == FRAME_STEP


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps = ", "not valid TOML"),
        ("about = 1", "steps: Field required"),
        ("\x00", "not valid TOML"),
    ],
)
def test_broken_files_are_told(tmp_path: Path, text: str, told: str) -> None:
    """The error names the file and the field; so does the engine's."""
    path = written(tmp_path, text)
    with pytest.raises(ProfileError, match=told) as caught:
        load(path)
    assert path in str(caught.value)
    with pytest.raises(EngineError, match="wan: profile"):
        profile_of(WanOptions(profile=path))


@pytest.mark.parametrize("name", ["qualty", "", "no/such.toml", "."])
def test_unknown_profiles_are_told(name: str) -> None:
    """Neither built in nor a file: the error lists the built-in ones or names the path."""
    with pytest.raises(ProfileError, match=r"neither one of cpu-tiny, fast|no/such.toml: No such file"):
        load(name)


def test_the_revision_names_profile_and_checkpoint() -> None:
    """Another profile or another checkpoint is another engine revision, so its clips have other names."""

    def revision(name: str = "quality", checkpoint: str = "0") -> str:
        options = WanOptions(checkpoint="owner/name", revision=checkpoint * 40, profile=name)
        return spec_of(options, load(name)).revision

    assert len({revision(), revision("quality-704p"), revision(checkpoint="1")}) == 3
    assert revision().startswith("1-quality-")
    assert revision().endswith("-" + "0" * 12)


def test_a_spec_needs_a_checkpoint() -> None:
    """Without one the engine says which setting to set."""
    with pytest.raises(EngineError, match=r"no checkpoint: set engine\.wan\.checkpoint"):
        spec_of(WanOptions(), load("quality"))


def test_options_do_not_tell_the_token() -> None:
    """A token never reaches a log through a repr."""
    assert "hunter2" not in repr(WanOptions(token="hunter2"))


def checkpoint(folder: Path, pipeline: str, layers: int) -> str:
    """The files of a checkpoint that tell which profile fits."""
    (folder / "transformer").mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    (folder / "transformer" / "config.json").write_text(json.dumps({"num_layers": layers}))
    return str(folder)


@pytest.mark.parametrize(
    ("pipeline", "layers", "name"),
    [("WanPipeline", 30, "quality"), ("WanDMDPipeline", 30, "fast"), ("WanPipeline", 2, "cpu-tiny")],
)
def test_auto_is_what_the_checkpoint_is_made_for(tmp_path: Path, pipeline: str, layers: int, name: str) -> None:
    """Distilled: fast; tiny: cpu-tiny; else quality. By folder, or by hub id from the cache."""
    assert profile_of(WanOptions(checkpoint=checkpoint(tmp_path / "here", pipeline, layers))).name == name
    checkpoint(tmp_path / "cache" / "owner--name" / ("0" * 40), pipeline, layers)
    fetched = WanOptions(checkpoint="owner/name", revision="0" * 40, cache=tmp_path / "cache")
    assert profile_of(fetched).name == name


def test_auto_without_the_weights_is_told(tmp_path: Path) -> None:
    """A planner that has no weights is told to name the profile."""
    bare = WanOptions(checkpoint="owner/name", revision="0" * 40, cache=tmp_path)
    with pytest.raises(EngineError, match=r"which profile fits cannot be read .*: set engine\.wan\.profile"):
        profile_of(bare)
    with pytest.raises(EngineError, match=r"no checkpoint: set engine\.wan\.checkpoint"):
        profile_of(WanOptions())
