"""One typed tree of settings: environment (``SKUREEL_…``) over a TOML file over defaults. The only reader of either.

Nothing else in the project reads the environment. Unknown keys are refused by name, secrets never print.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

PREFIX = "SKUREEL_"
CONFIG_VARIABLE = "SKUREEL_CONFIG"
DEFAULT_FILE = "skureel.toml"
EMBEDDED = "embedded"


class SettingsError(Exception):
    """Raised when a setting is unknown or out of its range; the message names every one."""


class _Tree(BaseModel):
    """A branch of the tree: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Topics(_Tree):
    """Topic names; fixed meaning, free names."""

    product_created: str = "product-created"
    promo_changed: str = "promo-changed"
    clip_render: str = "clip-render"
    clip_render_bulk: str = "clip-render-bulk"
    clip_dress: str = "clip-dress"
    video_ready: str = "video-ready"
    video_rejected: str = "video-rejected"


class Kafka(_Tree):
    """The broker and how we talk to it."""

    bootstrap: str = EMBEDDED
    """host:port list, or 'embedded' for a broker inside this process (loopback only, forgets when it stops)."""
    options: dict[str, str] = {}
    """Further librdkafka options for every client, e.g. security.protocol, sasl.username."""
    password: SecretStr | None = None
    """sasl.password."""
    group_prefix: str = "skureel"
    """Consumer groups are <prefix>-planner and <prefix>-renderer."""
    delivery: Literal["exactly_once", "at_least_once"] | None = None
    """None: exactly_once on a real broker, at_least_once on the embedded one, which has no transactions to speak of."""
    protocol: Literal["classic", "consumer"] = "classic"
    """Group protocol: classic with cooperative-sticky assignment, or KIP-848 (brokers from 4.0)."""
    instance: str | None = None
    """Stable name of this replica (pod ordinal): transactional.id is <group>-<instance>. None: the host's name."""
    batch: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    """Most records the planner takes at once."""
    transaction_timeout: Annotated[float, Field(ge=1, le=900)] = 30.0
    """Seconds after which the broker aborts a transaction that its producer forgot."""
    session_timeout: Annotated[float, Field(ge=1, le=300)] = 15.0
    """Seconds without heartbeat after which a member is dead (classic protocol; the broker sets it under KIP-848)."""
    drain_timeout: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """Seconds a stopping process may take to finish what has begun."""
    partitions: Annotated[int, Field(ge=1, le=1000)] = 4
    """Partitions of topics that skureel creates."""
    replication: Annotated[int, Field(ge=1, le=10)] = 1
    """Replication factor of topics that skureel creates."""
    create_topics: bool = True
    """Create missing topics at start (never changes existing ones)."""

    @property
    def embedded(self) -> bool:
        """True for the broker inside this process."""
        return self.bootstrap == EMBEDDED

    @property
    def exactly_once(self) -> bool:
        """The delivery in force."""
        return (self.delivery or ("at_least_once" if self.embedded else "exactly_once")) == "exactly_once"


class Registry(_Tree):
    """The schema registry; without one, Avro single-object encoding."""

    url: str | None = None
    username: str | None = None
    password: SecretStr | None = None
    auto_register: bool = False
    """Register our schemas at start: for development; in production they are registered by review."""
    framing: Literal["prefix", "header"] = "prefix"
    """Where schema ids go when writing: before the value (classic), or a GUID in a header."""
    timeout: Annotated[float, Field(gt=0, le=60)] = 5.0


class S3(_Tree):
    """An S3-compatible object store."""

    endpoint: str = "http://127.0.0.1:9000"
    bucket: str = "skureel"
    access_key: str = ""
    secret_key: SecretStr = SecretStr("")
    region: str = "us-east-1"
    prefix: str = ""
    """Below which every key lies."""
    create_bucket: bool = False
    timeout: Annotated[float, Field(gt=0, le=600)] = 30.0


class Store(_Tree):
    """Where clips go."""

    kind: Literal["files", "s3"] = "files"
    path: Path = Path(".skureel/store")
    """Folder of the files store."""
    public_url: str | None = None
    """Address under which the store's root is served (the CDN); None: the store's own."""
    s3: S3 = S3()


class Database(_Tree):
    """The catalog projection."""

    url: SecretStr = SecretStr("sqlite:///.skureel/catalog.db")
    """SQLAlchemy URL: sqlite:///file or postgresql+psycopg://…"""
    timeout: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Seconds a connection or a statement may take."""


SIZES = {
    "640x480": (640, 480),
    "720x480": (720, 480),
    "854x480": (854, 480),
    "360p": (640, 360),
    "480p": (854, 480),
    "portrait": (480, 854),
    "square": (480, 480),
}
"""Names for output sizes, pixels wide and high; WIDTHxHEIGHT works for any other."""


class ClipSettings(_Tree):
    """What clips are made: size, length, rate and encoding."""

    size: str = "640x480"
    seconds: Annotated[float, Field(ge=0.5, le=10)] = 4.0
    fps: Annotated[int, Field(ge=1, le=60)] = 24
    crf: Annotated[int, Field(ge=0, le=51)] = 21
    preset: str = "veryfast"
    label: str = "AI生成"
    """Visible label on clips a model generated."""
    producer: str | None = None
    """ContentProducer code (27 characters) of the metadata label on clips a model generated."""

    @field_validator("size")
    @classmethod
    def _known_size(cls, value: str) -> str:
        if value not in SIZES:
            width, cross, height = value.partition("x")
            if not (cross and width.isdigit() and height.isdigit()):
                raise ValueError(f"{value!r} is neither WIDTHxHEIGHT nor one of {', '.join(SIZES)}")
            if not all(32 <= int(n) <= 4096 and int(n) % 2 == 0 for n in (width, height)):
                raise ValueError(f"{value!r}: width and height must be even and in 32…4096")
        return value

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        if self.size in SIZES:
            return SIZES[self.size]
        width, _, height = self.size.partition("x")
        return int(width), int(height)

    @property
    def frames(self) -> int:
        """Frames of the base clip."""
        return max(1, round(self.seconds * self.fps))


class EngineSettings(_Tree):
    """Which engine renders."""

    name: str = "storyboard"
    """'storyboard', or MODULE:FACTORY of an engine of your own (called with no arguments)."""


class Planner(_Tree):
    """The planner's own."""

    templates: Path | None = None
    """A folder of templates of your own, which win over the built-in ones of the same category."""


class Renderer(_Tree):
    """The renderer's own."""

    look_ahead: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Requests taken ahead of the engine: the buffer that keeps it busy and that superseding looks through."""
    finishers: Annotated[int, Field(ge=1, le=64)] = 2
    """Threads that inspect, dress, encode and upload."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """Renders tried, each with a new seed, before a clip is rejected."""
    photo_hosts: tuple[str, ...] = ()
    """Hosts from which product photos may be fetched by https; 'store:' addresses are always allowed."""
    photo_policy: Literal["text", "reject"] = "text"
    """What a photo that cannot be had leads to: a clip from words alone (visible in the lineage), or a dead letter."""


class Observe(_Tree):
    """Metrics, health and logs."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9464
    """Port of /metrics, /healthz and /readyz; 0 picks a free one."""
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    stuck_after: Annotated[float, Field(gt=0)] = 300.0
    """Seconds without progress while work waits after which /healthz fails."""


class Settings(BaseSettings):
    """The whole tree. Build it with ``load``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    kafka: Kafka = Kafka()
    topics: Topics = Topics()
    registry: Registry = Registry()
    store: Store = Store()
    database: Database = Database()
    clip: ClipSettings = ClipSettings()
    engine: EngineSettings = EngineSettings()
    planner: Planner = Planner()
    renderer: Renderer = Renderer()
    observe: Observe = Observe()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the framework's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the framework's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=_file)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kafka.embedded and self.kafka.delivery == "exactly_once":
            raise ValueError("kafka.delivery: the embedded broker has no transactions; give kafka.bootstrap or drop it")
        return self


_file: Path | None = None
"""The TOML file of the load in progress; module state because the framework builds sources from the class alone."""


def _known_variables() -> None:
    """Refuse misspelt top-level SKUREEL_ variables, which the framework would pass over in silence."""
    names = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {CONFIG_VARIABLE}
    for variable in os.environ:
        upper = variable.upper()
        if upper.startswith(PREFIX) and not upper.startswith(f"{PREFIX}TEST_"):
            head = upper.split("__", 1)[0]
            if head not in names:
                known = ", ".join(sorted(names))
                raise SettingsError(f"{variable}: no such setting; the variables begin with {known}")


def load(file: Path | None = None, **overrides: Any) -> Settings:
    """Settings from the environment, a TOML file and ``overrides`` (highest). Raises SettingsError naming each fault.

    The file is ``file``, else $SKUREEL_CONFIG, else ./skureel.toml where it exists.
    """
    global _file  # noqa: PLW0603 - see its docstring
    chosen = file or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    if chosen is not None and not chosen.is_file():
        raise SettingsError(f"{chosen}: no such configuration file")
    _known_variables()
    _file = chosen or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors())
        raise SettingsError(faults) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{_file}: not valid TOML: {error}") from None
    finally:
        _file = None
