"""Settings turned into parts: broker address and options, codec, planning rules. For service and commands."""

from __future__ import annotations

import json
from pathlib import Path

from consumer.planner.recipes import Planning
from consumer.settings import Kafka, Registry, Settings
from consumer.stream import schemas
from consumer.stream.codec import FramedCodec, SingleObjectCodec
from consumer.stream.registry import RegistryCodec, RegistryOptions
from model.engine import EngineSpec
from model.recipe import Encoding

ADDRESS_FILE = Path(".skureel/embedded.json")
"""Where a running service with an embedded broker says where it listens, for commands in the same folder."""


class NoBrokerError(Exception):
    """Raised when there is no broker to talk to; the message says what to do."""


def remember_embedded(bootstrap: str, file: Path = ADDRESS_FILE) -> None:
    """Say where the embedded broker of this process listens."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"bootstrap": bootstrap}), encoding="utf-8")


def forget_embedded(file: Path = ADDRESS_FILE) -> None:
    """The embedded broker of this process stopped."""
    file.unlink(missing_ok=True)


def bootstrap_of(kafka: Kafka, file: Path = ADDRESS_FILE) -> str:
    """The broker's address: the configured one, or that of the service running in this folder.

    Raises NoBrokerError.
    """
    if not kafka.embedded:
        return kafka.bootstrap
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["bootstrap"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoBrokerError(
            "kafka.bootstrap is 'embedded' and no service runs in this folder: start `skureel run` here first, "
            "or set SKUREEL_KAFKA__BOOTSTRAP"
        ) from error


def client_options(kafka: Kafka, bootstrap: str) -> dict[str, str]:
    """librdkafka options common to every client. Holds the password: never log it."""
    options = {"bootstrap.servers": bootstrap, "client.id": "skureel", **kafka.options}
    if kafka.password is not None:
        options["sasl.password"] = kafka.password.get_secret_value()
    return options


def open_codec(settings: Settings) -> FramedCodec:
    """The codec for the configured topics: with a registry where one is configured, else single-object encoding.

    Raises SchemaError when the installed schemas are broken.
    """
    known = schemas.load(topics=topic_names(settings))
    if settings.registry.url is None:
        return SingleObjectCodec(known)
    return RegistryCodec(known, registry_options(settings.registry))


def topic_names(settings: Settings) -> dict[str, str]:
    """Every configured topic, and the name of its schema."""
    return {getattr(settings.topics, field): field.replace("_", "-") for field in type(settings.topics).model_fields}


def registry_options(registry: Registry) -> RegistryOptions:
    """How to reach the configured registry. Holds the password."""
    return RegistryOptions(
        url=registry.url or "",
        username=registry.username,
        password=registry.password.get_secret_value() if registry.password else None,
        auto_register=registry.auto_register,
        framing=registry.framing,
        timeout=registry.timeout,
    )


def planning_of(settings: Settings, spec: EngineSpec) -> Planning:
    """What all clips have in common under these settings."""
    clip = settings.clip
    width, height = clip.pixels
    return Planning(
        engine=spec,
        width=width,
        height=height,
        frames=clip.frames,
        fps=clip.fps,
        encoding=Encoding(crf=clip.crf, preset=clip.preset),
        label=clip.label,
        producer=clip.producer,
    )
