"""Settings turned into parts: addresses, client options, codecs and planning rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer import wiring
from consumer.settings import ClipSettings, Kafka, Registry, Settings, Topics
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.registry import RegistryCodec
from consumer.wiring import NoBrokerError
from model.engine import EngineSpec

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
