"""Settings turned into parts: broker address and options, who reads what, codec, planning rules.

For service and commands.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from consumer.planner.recipes import Planning
from consumer.settings import Kafka, Registry, Settings
from consumer.stream import schemas
from consumer.stream.codec import FramedCodec, SingleObjectCodec
from consumer.stream.deadletter import dead_letter_topic
from model.engine import Engine, EngineSpec, ShapeError
from model.engines import open_engine
from model.hosted import Hosted
from model.recipe import Encoding
from model.wan.options import WanOptions

if TYPE_CHECKING:
    from consumer.stream.registry import RegistryOptions

PLANNER, RENDERER, DRESSER = "planner", "renderer", "dresser"

ADDRESS_FILE = Path(".skureel/embedded.json")
"""Where a running service with an embedded broker says where it listens, for commands in the same folder."""


class PlanningError(Exception):
    """Raised when the engine makes no clip of the configured size, length or rate; the message names the setting."""


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


def group_of(settings: Settings, role: str) -> str:
    """A role's consumer group."""
    return f"{settings.kafka.group_prefix}-{role}"


def topics_read(settings: Settings, role: str) -> list[str]:
    """The topics that a role reads under these settings."""
    topics = settings.topics
    if role == PLANNER:
        return [topics.product_created, topics.promo_changed, topics.video_ready, topics.video_rejected]
    if role == DRESSER:
        return [topics.clip_dress]
    dressed = [topics.clip_dress] if settings.renderer.dress else []
    return [topics.clip_render, topics.clip_render_bulk, *dressed]


def all_topics(settings: Settings) -> list[str]:
    """Every topic that is read or written, dead letters included."""
    return [*topic_names(settings), *dead_letter_topics(settings)]


def dead_letter_topics(settings: Settings) -> dict[str, str]:
    """The topics of dead letters that the roles write under these settings, and whose role each is."""
    return {
        dead_letter_topic(topic, group_of(settings, role)): role
        for role in (PLANNER, RENDERER, DRESSER)
        for topic in topics_read(settings, role)
    }


def open_codec(settings: Settings) -> FramedCodec:
    """The codec for the configured topics: with a registry where one is configured, else single-object encoding.

    Raises SchemaError when the installed schemas are broken.
    """
    known = schemas.load(topics=topic_names(settings))
    if settings.registry.url is None:
        return SingleObjectCodec(known)
    # Its client brings half a web framework along: a seventh of a process's start, for those alone who have a registry.
    from consumer.stream.registry import RegistryCodec  # noqa: PLC0415

    return RegistryCodec(known, registry_options(settings.registry))


def topic_names(settings: Settings) -> dict[str, str]:
    """Every configured topic, and the name of its schema."""
    return {getattr(settings.topics, field): field.replace("_", "-") for field in type(settings.topics).model_fields}


def registry_options(registry: Registry) -> RegistryOptions:
    """How to reach the configured registry. Holds the password."""
    from consumer.stream.registry import RegistryOptions  # noqa: PLC0415 - as above

    return RegistryOptions(
        url=registry.url or "",
        username=registry.username,
        password=registry.password.get_secret_value() if registry.password else None,
        auto_register=registry.auto_register,
        framing=registry.framing,
        timeout=registry.timeout,
    )


def engine_of(settings: Settings) -> Engine:
    """The configured engine, in this process, not yet started. Raises EngineError: its name or options are wrong."""
    return _factory(settings)()


def guarded_engine(settings: Settings) -> Engine:
    """The configured engine, in a process of its own where a hang shall not end this one. Raises EngineError."""
    engine = settings.engine
    if not engine.hosted:
        return engine_of(settings)
    return Hosted(
        _factory(settings),
        hang_after=engine.hang_after,
        job_timeout=engine.job_timeout,
        restarts=settings.renderer.attempts + 2,
        silent=engine.start_timeout,
    )


def _factory(settings: Settings) -> Callable[[], Engine]:
    name = settings.engine.name
    return partial(open_engine, name, wan_options(settings)) if name == "wan" else partial(open_engine, name)


def wan_options(settings: Settings) -> WanOptions:
    """What the settings say of the wan engine. Holds the hub token."""
    wan, clip = settings.engine.wan, settings.clip
    return WanOptions(
        checkpoint=wan.checkpoint,
        revision=wan.revision,
        profile=wan.profile,
        cache=wan.cache,
        offline=wan.offline,
        hub_url=wan.hub_url,
        token=wan.hub_token.get_secret_value() if wan.hub_token else None,
        digests=wan.verify == "digests",
        device=wan.device,
        memory=wan.memory,
        batch=wan.batch,
        clip_frames=clip.frames,
        compile=wan.compile,
    )


def planning_of(settings: Settings, spec: EngineSpec) -> Planning:
    """What all clips have in common under these settings. Raises PlanningError."""
    clip = settings.clip
    width, height = clip.pixels
    try:
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
    except ShapeError as error:
        raise PlanningError(str(error)) from error
