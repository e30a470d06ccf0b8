"""Settings: where they come from, what is refused by name, and that secrets never show."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import settings
from consumer.settings import SIZES, SettingsError, load

SECRET = "hunter2-correct-horse"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own settings."""
    for name in list(os.environ):
        if name.upper().startswith("SKUREEL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refused(**overrides: Any) -> str:
    """What a load says that must fail."""
    with pytest.raises(SettingsError) as caught:
        load(**overrides)
    return str(caught.value)


def toml(folder: Path, text: str) -> Path:
    """A settings file."""
    file = folder / "given.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_need_nothing() -> None:
    """With no file and no variable everything runs on this machine alone."""
    loaded = load()
    assert loaded.kafka.embedded
    assert not loaded.kafka.exactly_once
    assert loaded.store.kind == "files"
    assert loaded.clip.pixels == (640, 480)
    assert loaded.clip.frames == 96
    assert (loaded.file, loaded.variables) == (None, ())


def test_precedence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Arguments win over the environment, that over the file, that over defaults, each setting for itself."""
    file = toml(tmp_path, '[clip]\nfps = 30\nseconds = 5\nsize = "360p"\n[kafka]\nbatch = 7\n')
    monkeypatch.setenv("SKUREEL_CLIP__FPS", "12")
    monkeypatch.setenv("SKUREEL_CLIP__SECONDS", "3")
    loaded = load(file, clip={"seconds": 2})
    assert (loaded.clip.seconds, loaded.clip.fps, loaded.clip.size, loaded.kafka.batch) == (2, 12, "360p", 7)
    assert loaded.clip.crf == 21
    assert loaded.file == file
    assert loaded.variables == ("SKUREEL_CLIP__FPS", "SKUREEL_CLIP__SECONDS")


def test_which_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The argument comes before $SKUREEL_CONFIG, that before ./skureel.toml; nothing of one load stays for the next."""
    (tmp_path / "skureel.toml").write_text("[kafka]\nbatch = 1\n")
    assert load().kafka.batch == 1
    (tmp_path / "variable.toml").write_text("[kafka]\nbatch = 2\n")
    monkeypatch.setenv("SKUREEL_CONFIG", str(tmp_path / "variable.toml"))
    assert load().kafka.batch == 2
    assert load(toml(tmp_path, "[kafka]\nbatch = 3\n")).kafka.batch == 3
    assert load().kafka.batch == 2
    monkeypatch.delenv("SKUREEL_CONFIG")
    (tmp_path / "skureel.toml").unlink()
    assert load().kafka.batch == 2_000


def test_environment_takes_json_and_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists and maps are JSON; the case of a variable's name does not matter."""
    monkeypatch.setenv("SKUREEL_RENDERER__PHOTO_HOSTS", '["cdn.example", "img.example"]')
    monkeypatch.setenv("skureel_kafka__options", '{"security.protocol": "SASL_SSL"}')
    loaded = load()
    assert loaded.renderer.photo_hosts == ("cdn.example", "img.example")
    assert loaded.kafka.options == {"security.protocol": "SASL_SSL"}


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("SKUREEL_KAFKA_BOOTSTRAP", "x", "SKUREEL_KAFKA_BOOTSTRAP: no such setting"),
        ("SKUREEL_KAFAK__BOOTSTRAP", "x", "SKUREEL_KAFAK__BOOTSTRAP: no such setting"),
        ("SKUREEL_CONFIG__X", "x", "SKUREEL_CONFIG__X: no such setting"),
        ("SKUREEL_KAFKA__BOOTSTRP", "x", "kafka.bootstrp: no such setting"),
        ("SKUREEL_STORE__S3__BUKET", "x", "store.s3.buket: no such setting"),
        ("SKUREEL_KAFKA", "x", "SKUREEL_KAFKA: lists and maps are given as JSON"),
        ("SKUREEL_RENDERER__PHOTO_HOSTS", "a.example,b.example", "SKUREEL_RENDERER__PHOTO_HOSTS: lists and maps"),
        ("SKUREEL_RENDERER__FALLBACKS", '["calm", "sing"]', "renderer.fallbacks.1: Input should be 'calm' or 'pan'"),
        (
            "SKUREEL_RENDERER__FALLBACKS",
            '["pan", "calm", "pan"]',
            "renderer.fallbacks: pan, calm, pan: each way can",
        ),
        ("SKUREEL_RENDERER__FALLBACKS", "pan", "SKUREEL_RENDERER__FALLBACKS: lists and maps"),
        ("SKUREEL_RENDERER__BEST_OF", "0", "renderer.best_of: Input should be greater than or equal to 1"),
        ("SKUREEL_RENDERER__BREAKER__FACTOR", "1", "renderer.breaker.factor: Input should be greater than 1"),
        ("SKUREEL_RENDERER__BREAKER__MINIMUM", "201", "renderer.breaker: minimum: 201 never fit into a window of 200"),
        (
            "SKUREEL_RENDERER__BREAKER__ACTION",
            "hope",
            "renderer.breaker.action: Input should be 'fallback' or",
        ),
        ("SKUREEL_KAFKA__BATCH", "many", "kafka.batch: "),
        ("SKUREEL_KAFKA__BATCH", "0", "kafka.batch: "),
        ("SKUREEL_KAFKA__BOOTSTRAP", "", "kafka.bootstrap: "),
        ("SKUREEL_KAFKA__PROTOCOL", "modern", "kafka.protocol: Input should be 'classic' or 'consumer'"),
        ("SKUREEL_CLIP__SECONDS", "10.5", "clip.seconds: Input should be less than or equal to 10"),
        ("SKUREEL_CLIP__SECONDS", "nan", "clip.seconds: "),
        ("SKUREEL_CLIP__CRF", "52", "clip.crf: "),
        ("SKUREEL_OBSERVE__PORT", "65536", "observe.port: "),
        ("SKUREEL_TOPICS__VIDEO_READY", "video ready", "topics: 'video ready' is no topic name"),
        ("SKUREEL_TOPICS__VIDEO_READY", "", "topics: '' is no topic name"),
        ("SKUREEL_TOPICS__VIDEO_READY", "..", "topics: '..' is no topic name"),
        ("SKUREEL_TOPICS__VIDEO_READY", "clip-render", "topics: clip-render: two topics of one name"),
        ("SKUREEL_REGISTRY__URL", "registry:8081", "registry.url: want http://host:port"),
        ("SKUREEL_REGISTRY__URL", "http://[::1", "registry.url: want http://host:port"),
        ("SKUREEL_REGISTRY__URL", "http://", "registry.url: want http://host:port"),
    ],
)
def test_wrong_variables_are_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str) -> None:
    """A misspelt or impossible variable is refused, with its name and what is wanted."""
    monkeypatch.setenv(variable, value)
    assert told in refused()


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    """A file with several faults is mended in one go, not fault by fault."""
    told = refused(file=toml(tmp_path, 'nope = 1\n[kafka]\nfoo = 1\nbatch = "x"\n[clip]\nfps = 0\n'))
    for name in ("nope: no such setting", "kafka.foo: no such setting", "kafka.batch: ", "clip.fps: "):
        assert name in told


def test_variables_of_the_tests_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """SKUREEL_TEST_… belongs to the tests."""
    monkeypatch.setenv("SKUREEL_TEST_KAFKA", "127.0.0.1:9092")
    assert load().variables == ()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[kafka", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
        (b"kafka = 3\n", "kafka: "),
        (b"[kafka]\nbatch = true\nbatch = 2\n", "not valid TOML"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, content: bytes, told: str) -> None:
    """What is no TOML, or no tree of settings, is an error of the configuration and not a traceback."""
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    said = refused(file=file)
    assert told in said
    assert told != "not valid TOML" or "broken.toml" in said


def test_missing_files_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that was asked for must exist, and be a file; one that was not asked for need not."""
    assert "absent.toml: no such configuration file" in refused(file=tmp_path / "absent.toml")
    assert "no such configuration file" in refused(file=tmp_path)
    monkeypatch.setenv("SKUREEL_CONFIG", "elsewhere.toml")
    assert "elsewhere.toml: no such configuration file" in refused()


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A file that exists but gives no bytes is said with the system's reason."""
    # The memory of this process: it is a file, and reading its first page fails for every user.
    assert str(Path("/proc/self/mem")) in refused(file=Path("/proc/self/mem"))
    assert tmp_path.is_dir()


def test_secrets_never_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """No password is in a repr, a text or an error, wherever it was put."""
    places = {
        "SKUREEL_KAFKA__PASSWORD": SECRET,
        "SKUREEL_KAFKA__OPTIONS": f'{{"sasl.password": "{SECRET}"}}',
        "SKUREEL_REGISTRY__PASSWORD": SECRET,
        "SKUREEL_REGISTRY__URL": f"https://user:{SECRET}@registry.example",
        "SKUREEL_STORE__S3__SECRET_KEY": SECRET,
        "SKUREEL_DATABASE__URL": f"postgresql+psycopg://user:{SECRET}@db.example/skureel",
    }
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    loaded = load()
    assert loaded.database.url.get_secret_value().endswith("skureel")
    for shown in (repr(loaded), str(loaded), repr(loaded.kafka), str(loaded.registry), f"{loaded.store}"):
        assert SECRET not in shown
    monkeypatch.setenv("SKUREEL_REGISTRY__URL", f"user:{SECRET}@registry.example")
    monkeypatch.setenv("SKUREEL_KAFKA__OPTIONS", f'{{"sasl.password": ["{SECRET}"]}}')
    monkeypatch.setenv("SKUREEL_KAFKA__BATCH", SECRET)
    assert SECRET not in refused()
    monkeypatch.setenv("SKUREEL_KAFKA__OPTIONS", f"sasl.password={SECRET}")
    assert SECRET not in refused()


def test_delivery() -> None:
    """Exactly once by default on a real broker, at least once on the embedded one; the impossible is refused."""
    real = {"bootstrap": "127.0.0.1:9092"}
    assert load(kafka=real).kafka.exactly_once
    assert not load(kafka={**real, "delivery": "at_least_once"}).kafka.exactly_once
    assert not load(kafka={"delivery": "at_least_once"}).kafka.exactly_once
    assert "the embedded broker has no transactions" in refused(kafka={"delivery": "exactly_once"})


def test_settings_are_frozen() -> None:
    """What was read at the start holds until the end."""
    loaded = load()
    with pytest.raises(ValueError, match="frozen"):
        loaded.kafka.batch = 3
    with pytest.raises(ValueError, match="frozen"):
        loaded.kafka = settings.Kafka()


@pytest.mark.parametrize("size", [*SIZES, "32x32", "4096x4096", "1080x1920"])
def test_sizes(size: str) -> None:
    """Every named size and every even one in range is taken."""
    width, height = load(clip={"size": size}).clip.pixels
    assert width % 2 == height % 2 == 0
    assert size in SIZES or f"{width}x{height}" == size


@pytest.mark.parametrize(
    "size",
    ["", "x", "640", "640x", "x480", "640X480", "641x480", "640x481", "30x480", "640x4098", "640x-480", "6e2x480"],
)
def test_wrong_sizes(size: str) -> None:
    """What is no size, odd or out of range is refused by name."""
    assert "clip.size: " in refused(clip={"size": size})


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_refused(size: str) -> None:
    """A size is usable or refused; never an exception of another kind."""
    try:
        chosen = settings.ClipSettings(size=size)
    except ValueError:
        return
    width, height = chosen.pixels
    assert 32 <= width <= 4096
    assert 32 <= height <= 4096


@given(st.floats(0.5, 10), st.integers(1, 60))
def test_frames(seconds: float, fps: int) -> None:
    """A clip has at least one frame, and as many as its length says, rounded."""
    frames = settings.ClipSettings(seconds=seconds, fps=fps).frames
    assert frames >= 1
    assert abs(frames - seconds * fps) <= 0.5
