"""The branches of the tree of settings: each setting with its type, range, default and meaning. Reads nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from consumer.settings.base import Tree as _Tree

EMBEDDED = "embedded"


REVIEWER = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""What can be a reviewer's id."""
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
"""What Kafka takes as a topic's name."""


class Topics(_Tree):
    """Topic names; fixed meaning, free names, all different."""

    product_created: str = "product-created"
    promo_changed: str = "promo-changed"
    clip_render: str = "clip-render"
    clip_render_bulk: str = "clip-render-bulk"
    clip_dress: str = "clip-dress"
    video_ready: str = "video-ready"
    video_rejected: str = "video-rejected"

    @model_validator(mode="after")
    def _usable(self) -> Self:
        names = [getattr(self, name) for name in type(self).model_fields]
        for name in names:
            if not _TOPIC.fullmatch(name) or name in {".", ".."}:
                raise ValueError(f"{name[:260]!r} is no topic name: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'")
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))}: two topics of one name")
        return self


class Breaker(_Tree):
    """The circuit breaker of a role."""

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of dead letters among committed records at which consumption stops for a while. 1: only when there is
    nothing else."""
    window: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Seconds that the share is taken over."""
    minimum: Annotated[int, Field(ge=1)] = 100
    """Records within the window before a share says anything."""
    pause: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Seconds before a few records are let through to see whether it is over; doubled each time that it is not."""


class Kafka(_Tree):
    """The broker and how we talk to it."""

    bootstrap: Annotated[str, Field(min_length=1)] = EMBEDDED
    """host:port list, or 'embedded' for a broker inside this process (loopback only, forgets when it stops)."""
    options: dict[str, str] = Field(default={}, repr=False)
    """Further librdkafka options for every client, e.g. security.protocol, sasl.username. Not in the repr: some of
    librdkafka's options are passwords."""
    password: SecretStr | None = None
    """sasl.password."""
    group_prefix: Annotated[str, Field(min_length=1)] = "skureel"
    """Consumer groups are <prefix>-planner, <prefix>-renderer and <prefix>-dresser."""
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
    """Seconds a stopping process may take at most to finish what has begun. It gives up earlier on what takes twice as
    long as the slowest of the last thousand records did; what is not finished is read again. Your supervisor should
    wait a quarter of a minute longer before it kills."""
    breaker: Breaker = Breaker()
    replays: Annotated[int, Field(ge=1, le=1_000_000)] = 3
    """How often `skureel deadletters replay` publishes a record that fails again and again."""
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

    url: Annotated[str | None, Field(repr=False)] = None
    """http://host:port or https://host. Not in the repr: it may carry a user name and a password."""
    username: str | None = None
    password: SecretStr | None = None
    auto_register: bool = False
    """Register our schemas at start: for development; in production they are registered by review."""
    framing: Literal["prefix", "header"] = "prefix"
    """Where schema ids go when writing: before the value (classic), or a GUID in a header."""
    timeout: Annotated[float, Field(gt=0, le=60)] = 5.0

    @field_validator("url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parts = urlsplit(value)
                known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            except ValueError:
                known = False
            if not known:  # not the URL itself: it may carry a password
                raise ValueError("want http://host:port or https://host")
        return value


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


class C2paSettings(_Tree):
    """The C2PA signature that finished clips carry. Needs the c2pa extra where clips are finished."""

    certificate: Path | None = None
    """PEM file of the signing certificate, those above it after it. None: clips are not signed (docs/LABELS.md)."""
    key: Path | None = None
    """PEM file of its private key, without a passphrase."""
    algorithm: Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] | None = None
    """Signature algorithm; by default the one that the key is for."""
    timestamp_url: str | None = None
    """http(s) address of an RFC 3161 timestamp authority, asked with every clip. None: nobody is asked, and the
    signature is worth as much as the certificate is in force."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key come together: one of them is not set")
        if self.timestamp_url is not None and not self.timestamp_url.startswith(("http://", "https://")):
            raise ValueError("timestamp_url: want http://… or https://…")
        return self


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
    c2pa: C2paSettings = C2paSettings()

    @field_validator("size")
    @classmethod
    def _known_size(cls, value: str) -> str:
        if value not in SIZES:
            width, cross, height = value.partition("x")
            if not (cross and value.isascii() and width.isdigit() and height.isdigit()):
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


class WanSettings(_Tree):
    """The wan engine: Wan 2.2 TI2V-5B through diffusers. Needs the gpu extra where it renders."""

    checkpoint: str = ""
    """Folder of a sealed checkpoint, or the hub id (owner/name) of a fetched one: see `skureel model --help`."""
    revision: str | None = None
    """Its revision: needed for a hub id (a full commit) and by planners without the weights; else it must match."""
    profile: Annotated[str, Field(min_length=1)] = "auto"
    """fast, fast-704p, quality, quality-704p, cpu-tiny, the path of a TOML file of your own, or auto: the one that the
    checkpoint is made for. A planner without the weights cannot look, and must be told."""
    cache: Path = Path(".skureel/models")
    """Where fetched checkpoints lie."""
    offline: bool = True
    """Never ask a hub while running. When off, a missing checkpoint is fetched at the start."""
    hub_url: str | None = None
    """Another hub than the libraries' own: a mirror."""
    hub_token: SecretStr | None = None
    """For checkpoints that need one."""
    verify: Literal["digests", "sizes"] = "digests"
    """What is compared with the checkpoint's manifest at the start: every byte, or file sizes only (faster)."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")] = "auto"
    """auto (the first GPU, else the CPU), cpu, or cuda:N."""
    memory: Literal["auto", "resident", "evict", "offload"] = "auto"
    """What stays on the device: everything, all but what turns with the text encoder, or one part at a time."""
    batch: Annotated[int | None, Field(ge=1, le=32)] = None
    """Clips rendered together; by default as the profile says."""
    compile: bool | None = None
    """Compile the model at the start; by default as the profile says, and never on a CPU."""


class EngineSettings(_Tree):
    """Which engine renders."""

    name: str = "storyboard"
    """'storyboard', 'wan', or MODULE:FACTORY of an engine of your own (called with no arguments)."""
    on_hang: Literal["restart", "exit"] | None = None
    """What a hung or crashed engine leads to. restart: it runs in a process of its own, which is killed and started
    again; exit: this process ends, for a supervisor to start it again. By default restart for wan, exit for others."""
    hang_after: Annotated[float | None, Field(gt=0, le=86_400)] = None
    """Seconds without a sign of life within a batch that are borne. By default twenty of the slowest steps seen, and at
    least a minute."""
    job_timeout: Annotated[float | None, Field(gt=0, le=86_400)] = None
    """Seconds a batch may take, however lively. By default as long as it gives signs of life."""
    start_timeout: Annotated[float, Field(gt=0, le=86_400)] = 1_800.0
    """Seconds of silence that are borne while an engine loads and compiles."""
    wan: WanSettings = WanSettings()

    @property
    def hosted(self) -> bool:
        """True when the engine runs in a process of its own."""
        return (self.on_hang or ("restart" if self.name == "wan" else "exit")) == "restart"


class Planner(_Tree):
    """The planner's own."""

    templates: Path | None = None
    """A folder of templates of your own, which win over the built-in ones of the same category."""
    prompt_rules: Path | None = None
    """A file of wording rules of your own: they extend, replace or switch off the built-in ones (docs/PROMPTS.md)."""
    prompt_policy: Literal["hold", "make"] = "hold"
    """What a wording rule of severity review leads to. hold: no clip but a video-rejected, until somebody approved the
    text in planner.prompt_rules or changed it; make: a clip, and a line in the log. Rules that block always block."""
    kept_out: tuple[str, ...] = ()
    """Names of brands and persons that never enter a prompt, besides the product's own brand."""
    long_tail: Literal["now", "on_demand"] = "now"
    """When products of tier LONG_TAIL get their clips: at once, or when somebody first asks for one."""
    page: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    """Most products that a promotion's fan-out takes at once; fewer where that would keep new products waiting."""
    audit_days: Annotated[int, Field(ge=183, le=36_500)] = 400
    """Days for which the planner keeps who made which clip under which ProduceID; half a year is the least allowed."""
    gpu_seconds_per_clip: Annotated[float, Field(ge=0)] = 20.0
    """What a render costs, for `skureel promo plan`: skureel_engine_seconds_total over skureel_renders_total."""
    gpu_price_per_hour: Annotated[float, Field(ge=0)] = 2.5
    """What an hour of your GPU costs, for the same, in a currency of your choice."""


class Inspection(_Tree):
    """What a clip must pass before it is shown."""

    policy: Path | None = None
    """A TOML file of limits and actions, which names what it changes of the built-in policy (docs/INSPECTION.md)."""
    models: Path | None = None
    """A folder with models for the checks that need one, in folders alignment, fidelity and unsafe. What is not there
    is not run, and the announcement says so."""
    ocr: bool = False
    """Look for writing that nobody asked for. Needs the ocr extra."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")] = "auto"
    """Where these models run: auto (the first GPU, else the CPU), cpu, or cuda:N."""


class ReviewSettings(_Tree):
    """What people look at: rejected clips, and samples of published ones."""

    reviewer: Annotated[str | None, Field(pattern=REVIEWER)] = None
    """Who decides, where a command is not told by --reviewer: an id of a-z, A-Z, 0-9, '.', '_' and '-'. It is announced
    with an approved clip and is public beside it: no name, no mail address."""
    audit_first: Annotated[int, Field(ge=0, le=100_000)] = 50
    """How many of the first clips of each template version are looked at."""
    audit_percent: Annotated[float, Field(ge=0, le=100)] = 3.0
    """The share of the clips after them that is looked at, in percent."""


class Observe(_Tree):
    """Metrics, health and logs."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9464
    """Port of /metrics, /healthz and /readyz; 0 picks a free one."""
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    stuck_after: Annotated[float, Field(gt=0)] = 300.0
    """Seconds without progress while work waits after which /healthz fails."""
