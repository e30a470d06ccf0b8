"""Settings turned into parts: addresses, client options, codecs and planning rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer import wiring
from consumer.planner.configured import prompts_of
from consumer.renderer.configured import fallback_of, renderer_options
from consumer.settings import ClipSettings, EngineSettings, Kafka, Registry, Settings, Topics, WanSettings
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.registry import RegistryCodec
from consumer.wiring import NoBrokerError
from model.engine import EngineSpec
from model.hosted import Hosted
from model.storyboard.engine import Storyboard
from model.storyboard.spec import SPEC as STORYBOARD
from model.wan.engine import Wan
from model.wan.options import WanOptions

PLAIN = EngineSpec(name="plain", revision="1", generative=False, captions=True, photos=True)
MODEL = EngineSpec(name="model", revision="1", generative=True, captions=False, photos=True)


def test_a_configured_broker_needs_no_file(tmp_path: Path) -> None:
    """The address of a real broker is the setting's, whatever runs in this folder."""
    wiring.remember_embedded("127.0.0.1:1", tmp_path / "address.json")
    assert wiring.bootstrap_of(Kafka(bootstrap="kafka:9092"), tmp_path / "address.json") == "kafka:9092"


def test_the_embedded_broker_is_found_while_it_runs(tmp_path: Path) -> None:
    """Commands find the running service's broker by its file, and not after it stopped."""
    file = tmp_path / "deep" / "address.json"
    wiring.remember_embedded("127.0.0.1:4711", file)
    assert wiring.bootstrap_of(Kafka(), file) == "127.0.0.1:4711"
    wiring.forget_embedded(file)
    wiring.forget_embedded(file)
    with pytest.raises(NoBrokerError, match="start `skureel run` here first"):
        wiring.bootstrap_of(Kafka(), file)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"{}", b"\xff", b"7"])
def test_a_damaged_address_file_is_no_broker(tmp_path: Path, content: bytes) -> None:
    """A file cut off by a crash reads as: no service runs here."""
    file = tmp_path / "address.json"
    file.write_bytes(content)
    with pytest.raises(NoBrokerError):
        wiring.bootstrap_of(Kafka(), file)


def test_client_options() -> None:
    """Options of one's own reach every client, and the password only its option."""
    kafka = Kafka.model_validate({"options": {"client.id": "mine", "sasl.username": "u"}, "password": "hunter2"})
    assert wiring.client_options(kafka, "a:1") == {
        "bootstrap.servers": "a:1",
        "client.id": "mine",
        "sasl.username": "u",
        "sasl.password": "hunter2",
    }
    assert wiring.client_options(Kafka(), "a:1") == {"bootstrap.servers": "a:1", "client.id": "skureel"}


def test_codec_without_registry_knows_every_topic() -> None:
    """Without a registry values are single-object encoded, under the configured topic names."""
    renamed = Settings(topics=Topics(product_created="shop.products"))
    codec = wiring.open_codec(renamed)
    assert isinstance(codec, SingleObjectCodec)
    assert codec.schemas.of("shop.products").name == "product-created"
    assert set(codec.schemas.topics) == set(
        wiring.topic_names(Settings(topics=Topics(product_created="shop.products")))
    )


def test_codec_with_registry() -> None:
    """With a registry its codec is used, and asked nothing before it is needed."""
    registry = Registry.model_validate({"url": "http://127.0.0.1:1", "password": "hunter2"})
    codec = wiring.open_codec(Settings(registry=registry))
    assert isinstance(codec, RegistryCodec)
    codec.close()
    options = wiring.registry_options(registry)
    assert options.password == "hunter2"
    assert "hunter2" not in repr(options)


def test_planning_carries_the_clip_settings() -> None:
    """Size, length, rate and encoding come from the settings; labels only where a model invents the pixels."""
    clip = ClipSettings(size="portrait", seconds=2, fps=10, crf=30, preset="fast", producer="0" * 27)
    plain = wiring.planning_of(Settings(clip=clip), PLAIN)
    assert (plain.width, plain.height, plain.frames, plain.fps) == (480, 854, 20, 10)
    assert (plain.encoding.crf, plain.encoding.preset) == (30, "fast")
    assert plain.dressing.overlays.label is None
    assert plain.dressing.producer is None
    generated = wiring.planning_of(Settings(clip=clip), MODEL)
    assert generated.dressing.overlays.label == "AI生成"
    assert generated.dressing.producer == "0" * 27


WAN = EngineSettings(
    name="wan", wan=WanSettings.model_validate({"checkpoint": "owner/name", "revision": "0" * 40, "profile": "fast"})
)


def test_the_wan_engine_is_guarded_by_a_process_of_its_own() -> None:
    """A hang of wan is ended with its process, unless the operator wants this one to end; others run in this one."""
    guarded = wiring.guarded_engine(Settings(engine=WAN))
    assert isinstance(guarded, Hosted)
    assert guarded.spec == wiring.engine_of(Settings(engine=WAN)).spec
    here = wiring.guarded_engine(Settings(engine=WAN.model_copy(update={"on_hang": "exit"})))
    assert isinstance(here, Wan)
    assert isinstance(wiring.guarded_engine(Settings()), Storyboard)
    hosted = wiring.guarded_engine(Settings(engine=EngineSettings(on_hang="restart")))
    assert isinstance(hosted, Hosted)


def test_wan_options_are_the_settings() -> None:
    """Every setting of the wan engine reaches it; the token is not in any repr."""
    branch = {
        "checkpoint": "owner/name",
        "revision": "1" * 40,
        "profile": "fast",
        "cache": "models",
        "offline": False,
        "hub_url": "http://127.0.0.1:1",
        "hub_token": "hunter2",
        "verify": "sizes",
        "device": "cuda:1",
        "memory": "evict",
        "batch": 3,
        "compile": True,
    }
    wan = WanSettings.model_validate(branch)
    options = wiring.wan_options(Settings(engine=EngineSettings(name="wan", wan=wan), clip=ClipSettings(seconds=3)))
    assert options == WanOptions(
        checkpoint="owner/name",
        revision="1" * 40,
        profile="fast",
        cache=Path("models"),
        offline=False,
        hub_url="http://127.0.0.1:1",
        token="hunter2",
        digests=False,
        device="cuda:1",
        memory="evict",
        batch=3,
        clip_frames=72,
        compile=True,
    )
    assert "hunter2" not in repr(wan) + repr(options)


def test_what_the_engine_cannot_make_is_told_with_its_setting() -> None:
    """Rate and length beyond the engine's are wrong settings; a size is cropped from what it makes."""
    spec = wiring.engine_of(Settings(engine=WAN)).spec
    planning = wiring.planning_of(Settings(engine=WAN, clip=ClipSettings(size="portrait", seconds=3)), spec)
    assert planning.base == (480, 832, 73)
    with pytest.raises(wiring.PlanningError, match=r"clip\.fps: the wan engine makes 24 frames a second, not 30"):
        wiring.planning_of(Settings(engine=WAN, clip=ClipSettings(fps=30)), spec)
    with pytest.raises(wiring.PlanningError, match=r"clip\.seconds: the wan engine makes at most 121 frames"):
        wiring.planning_of(Settings(engine=WAN, clip=ClipSettings(seconds=6)), spec)


def test_what_a_clip_falls_back_to_is_as_configured() -> None:
    """The engine that draws is opened where a fallback or the photo policy may ask for it, and never beside itself."""
    chosen = Settings.model_validate(
        {"renderer": {"fallbacks": ["pan"], "best_of": 3, "attempts": 4, "breaker": {"factor": 3, "action": "reject"}}}
    )
    rules = renderer_options(chosen, "renderer", group="g", cluster="c").rules
    assert (rules.fallbacks, rules.best_of, rules.attempts, rules.pan) == (("pan",), 3, 4, STORYBOARD)
    assert (rules.breaker.factor, rules.breaker.action, rules.breaker.window) == (3.0, "reject", 200)
    assert fallback_of(chosen, STORYBOARD) is None
    drawing = fallback_of(chosen, MODEL)
    assert drawing is not None
    assert drawing.spec == STORYBOARD
    assert fallback_of(Settings.model_validate({"renderer": {"fallbacks": ["calm"]}}), MODEL) is None


def test_calmer_prompts_are_made_where_somebody_may_ask_for_them() -> None:
    """Not for an engine that reads no prompt, and not where they are no fallback."""
    wan = {"engine": {"name": "wan"}}
    assert prompts_of(Settings.model_validate(wan)).calm
    assert not prompts_of(Settings()).calm
    assert not prompts_of(Settings.model_validate({**wan, "renderer": {"fallbacks": ["pan"]}})).calm
