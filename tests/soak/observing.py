"""Looks at all that a run left: topics as a reader of committed records, the store, the catalog, the logs."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import av
from minio.error import S3Error
from sqlalchemy import create_engine, text

from consumer.events import ClipRequest, VideoReady, VideoRejected
from consumer.storage import layout
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.deadletter import FAMILY, dead_letter_topic
from tests.harness import EVENT_TOPICS, World
from tests.integration.stream.parts import read
from tests.soak.observed import Alias, Announced, Begun, Letter, Lived, Observed, Placed, Request, Row, Stored
from tests.soak.records import NUMBER
from tests.soak.settle import LANES, PLANNED_FROM, READ_BY
from tests.soak.slots import Life
from tests.soak.watch import Watch, read_json
from tests.soak.watch import read as read_object

THREADS = 4
MISSING = ("NoSuchKey",)


class Observer:
    """Looks at one world at rest."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._names = {world.topic(name): name for name in EVENT_TOPICS}
        self._codec = SingleObjectCodec(
            schemas.load(topics={real: name.replace("_", "-") for real, name in self._names.items()})
        )
        self._client = world.s3.client()

    def observe(self, watch: Watch, lives: Iterable[Life], unread: list[str]) -> Observed:
        """Everything."""
        announced = self._announced()
        aliases = self._aliases()
        return Observed(
            inputs=self._inputs(),
            requests=self._requests(),
            announced=announced,
            rejected=self._rejected(),
            letters=self._letters(),
            unread=unread,
            objects=self._objects(announced, {alias.event_id for alias in aliases.values()}),
            aliases=aliases,
            glances=watch.glances,
            begun=self._begun(),
            lives=[Lived(slot=life.slot, pid=life.pid, began=life.began, code=life.code) for life in lives],
            seen_stored=watch.stored,
            catalog=self._catalog(),
        )

    def _read(self, topic: str) -> list[Any]:
        return read(self._world.kafka.bootstrap, topic)

    def _decoded(self, topic: str, kind: Callable[[Any], Any]) -> list[Any]:
        real = self._world.topic(topic)
        found = []
        for message in sorted(self._read(real), key=lambda each: (each.partition(), each.offset())):
            if NUMBER in dict(message.headers() or ()):
                continue  # poison that we put there
            found.append(kind(self._codec.decode(real, message.value(), message.headers() or ())))
        return found

    def _inputs(self) -> list[Placed]:
        found = []
        for topic in (*PLANNED_FROM, "clip_render"):
            for message in self._read(self._world.topic(topic)):
                number = dict(message.headers() or ()).get(NUMBER)
                if number is None:
                    continue
                found.append(
                    Placed(
                        item=int(number),
                        topic=topic,
                        partition=message.partition(),
                        offset=message.offset(),
                        key=digits(message.key()),
                        value=digits(message.value()),
                    )
                )
        return found

    def _requests(self) -> list[Request]:
        return [
            Request(
                product=request.product_id,
                revision=request.revision,
                work=request.work.value,
                digest=request.recipe.digest if request.recipe else None,
                lane=lane,
            )
            for lane in LANES
            for request in self._decoded(lane, ClipRequest.from_avro)
        ]

    def _announced(self) -> list[Announced]:
        found = []
        for event in self._decoded("video_ready", VideoReady.from_avro):
            clip, lineage = event.clip, event.lineage
            plain = Announced(
                event_id=event.event_id, product=event.product_id, revision=event.revision, status=event.status
            )
            if clip is None or lineage is None:
                found.append(plain)
                continue
            found.append(
                Announced(
                    event_id=event.event_id,
                    product=event.product_id,
                    revision=event.revision,
                    status=event.status,
                    digest=lineage.recipe_digest,
                    work=lineage.work.value,
                    clip_key=clip.key,
                    poster_key=layout.poster_key(clip.clip_id),
                    sha256=clip.sha256,
                    size=clip.size,
                    frames=clip.frames,
                )
            )
        return found

    def _rejected(self) -> list[tuple[str, int, str]]:
        events = self._decoded("video_rejected", VideoRejected.from_avro)
        return [(event.product_id, event.revision, "; ".join(each.check for each in event.reasons)) for event in events]

    def _letters(self) -> list[Letter]:
        found: list[Letter] = []
        for role, topics in READ_BY.items():
            group = f"{self._world.name}-{role}"
            for topic in topics:
                found += map(self._letter, self._read(dead_letter_topic(self._world.topic(topic), group)))
        return found

    def _letter(self, message: Any) -> Letter:
        headers = {name: (value or b"").decode(errors="replace") for name, value in message.headers() or ()}
        real = headers.get(f"{FAMILY}topic", "")
        return Letter(
            topic=self._names.get(real, real),
            partition=int(headers.get(f"{FAMILY}partition", -1)),
            offset=int(headers.get(f"{FAMILY}offset", -1)),
            group=headers.get(f"{FAMILY}group", "").rpartition("-")[2],
            stage=headers.get(f"{FAMILY}stage", ""),
            message=headers.get(f"{FAMILY}message", ""),
            key=digits(message.key()),
            value=digits(message.value()),
            item=headers.get(NUMBER),
        )

    def _objects(self, announced: Iterable[Announced], decoded: set[str]) -> dict[str, Stored]:
        """Every announced clip and poster that is there; those announced last are decoded from start to end."""
        wanted: dict[str, bool] = {}
        for event in announced:
            for key in (event.clip_key, event.poster_key):
                if key is not None:
                    wanted[key] = wanted.get(key, False) or (key == event.clip_key and event.event_id in decoded)
        with ThreadPoolExecutor(THREADS) as pool:
            found = pool.map(lambda pair: self._object(*pair), wanted.items())
        return {key: stored for key, stored in zip(wanted, found, strict=True) if stored is not None}

    def _object(self, key: str, decode: bool) -> Stored | None:
        data = self._bytes(key)
        if data is None:
            return None
        return Stored(
            sha256=hashlib.sha256(data).hexdigest(), size=len(data), frames=frames_of(data) if decode else None
        )

    def _bytes(self, key: str) -> bytes | None:
        try:
            return read_object(self._client, self._world.bucket, key)
        except S3Error as error:
            if error.code in MISSING:
                return None
            raise

    def _aliases(self) -> dict[str, Alias]:
        found = {}
        for each in self._client.list_objects(self._world.bucket, prefix="products/", recursive=True):
            name = str(each.object_name)
            if not name.endswith("/current.json"):
                continue
            alias = read_json(self._client, self._world.bucket, name)
            event = alias["announcement"]
            product, variant = event["product_id"], event["variant"]
            video = self._bytes(layout.alias_clip_key(product, variant))
            found[product] = Alias(
                revision=alias["revision"],
                digest=alias["recipe"],
                status=event["status"],
                event_id=event["event_id"],
                video=hashlib.sha256(video).hexdigest() if video is not None else None,
                poster=self._bytes(layout.alias_poster_key(product, variant)) is not None,
            )
        return found

    def _begun(self) -> list[Begun]:
        log = self._world.folder / "renders.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [Begun(digest=digest, pid=int(pid), at=float(at)) for digest, pid, at in map(str.split, lines)]

    def _catalog(self) -> dict[str, Row]:
        query = (
            "SELECT p.product_id, p.revision, p.retired, l.revision AS plan, c.revision AS shown FROM products p"
            " LEFT JOIN plans l ON l.product_id = p.product_id LEFT JOIN clips c ON c.product_id = p.product_id"
        )
        engine = create_engine(self._world.database_url)
        try:
            with engine.connect() as connection:
                rows = connection.execute(text(query)).all()
        finally:
            engine.dispose()
        return {
            row.product_id: Row(revision=row.revision, retired=row.retired, plan=row.plan, shown=row.shown)
            for row in rows
        }


def digits(data: bytes | None) -> str | None:
    """Bytes as they go into a file."""
    return None if data is None else data.hex()


def frames_of(data: bytes) -> int:
    """Frames of a clip that was decoded from start to end; -1 where that cannot be done."""
    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            return sum(1 for _ in container.decode(container.streams.video[0]))
    except (av.error.FFmpegError, IndexError):
        return -1
