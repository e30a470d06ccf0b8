"""``skureel demo``: the sample catalog becomes clips on this machine alone. The whole service, nothing left out.

Embedded broker, SQLite, files and the CPU engine stand in by configuration; planner, renderer and loop are those
that run on a cluster.
"""

from __future__ import annotations

import json as jsonlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from consumer import service, settings
from consumer.events import Product, VideoReady, Work
from consumer.observe import metrics as m
from consumer.operate import gallery, samples
from consumer.operate.follow import Follower
from consumer.operate.publish import Line, PublishError, encode_lines, send
from consumer.renderer.announce import Announcer
from consumer.settings import ClipSettings, Settings
from consumer.storage import layout
from consumer.storage.store import Store
from consumer.stream.jsonform import from_json
from consumer.wiring import client_options, open_codec

START_SECONDS = 120.0
"""Longest wait for the roles to be ready."""
STALL_SECONDS = 180.0
"""Longest time without a clip before the demo gives up and says so."""
TICK = 0.2


class DemoError(Exception):
    """Raised when the demo cannot start or stops making progress; the message says where to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did."""

    products: int
    requests: int
    ready: int
    rejected: int
    dead_letters: int
    rendered: int
    engine_seconds: float
    seconds: float


def demo_settings(out: Path, size: str, seconds: float) -> Settings:
    """The laptop's configuration, all of it below ``out``. Raises SettingsError."""
    return settings.load(
        kafka={"bootstrap": settings.EMBEDDED, "delivery": "at_least_once", "session_timeout": 6.0},
        registry={"url": None},
        store={"kind": "files", "path": out / "store", "public_url": None},
        database={"url": f"sqlite:///{out / 'catalog.db'}"},
        clip={"size": size, "seconds": seconds},
        engine={"name": "storyboard"},
        observe={"port": 0, "log_level": "warning"},
    )


def run(out: Path, *, size: str, seconds: float, limit: int | None, json: bool) -> None:
    """The command. Raises DemoError, SettingsError."""
    chosen = demo_settings(out, size, seconds)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"--out {out}: {error.strerror}; name a folder that can be written") from error
    products = samples.load()[:limit]
    console = Console(stderr=json)
    started = time.monotonic()
    try:
        with service.running(chosen, "all") as running:
            summary = _work(running, products, out=out, console=console, started=started)
            tiles = tiles_of(running.store, products)
            gallery.write(out / "index.html", tiles)
    except (service.ServiceError, PublishError) as error:
        raise DemoError(str(error)) from error
    _report(console, summary, tiles, out, json=json)


def _work(
    running: service.Service, products: list[dict[str, Any]], *, out: Path, console: Console, started: float
) -> Summary:
    chosen = running.settings
    topics = chosen.topics
    codec = open_codec(chosen)
    options = client_options(chosen.kafka, running.bootstrap)
    _store_photos(running.store)
    current = [_current(product, running.store, chosen.clip) for product in products]
    lines = [Line(number, jsonlib.dumps(product)) for number, product in enumerate(current, 1)]
    outputs = encode_lines(codec, topics.product_created, lines)
    followed = (topics.product_created, topics.clip_render, topics.video_ready, topics.video_rejected)
    with Follower(options, codec, followed, out / "events") as follower:
        if not running.wait_ready(START_SECONDS):
            raise DemoError(f"the service did not become ready: {running.unready()}")
        send(options, outputs)
        with _bar(console) as advance:
            _until_done(running, chosen, len(outputs), advance)
        count = running.metrics.value
        sent = {
            topics.product_created: len(outputs),
            topics.clip_render: int(count(m.OUTPUTS, role="planner", topic=topics.clip_render)),
            topics.video_ready: int(count(m.OUTPUTS, role="renderer", topic=topics.video_ready)),
            topics.video_rejected: int(count(m.OUTPUTS, role="renderer", topic=topics.video_rejected)),
        }
        for topic, number in sent.items():
            if not follower.wait_for(topic, number, STALL_SECONDS):
                raise DemoError(f"{topic}: {follower.count(topic)} of {number} records arrived in the events folder")
    return Summary(
        products=len(outputs),
        requests=sent[topics.clip_render],
        ready=sent[topics.video_ready],
        rejected=sent[topics.video_rejected],
        dead_letters=int(running.dead_letters()),
        rendered=int(count(m.CLIPS, work=Work.RENDER.value)),
        engine_seconds=count(m.ENGINE_SECONDS, engine=chosen.engine.name),
        seconds=time.monotonic() - started,
    )


def _store_photos(store: Store) -> None:
    """Put the sample photos where the sample events say they are."""
    for key, data in samples.photos(lambda key: store.stat(key) is not None):
        store.put(key, data, layout.photo_attributes("image/png"))


def _current(product: dict[str, Any], store: Store, clip: ClipSettings) -> dict[str, Any]:
    """The product's event, raised by a revision where its clip was made for another size or length.

    A catalog that wants its clips made anew under new settings does the same: it publishes its products again.
    """
    alias, _ = Announcer(store).read(product["product_id"], "default")
    if alias is None or alias.announcement.clip is None:
        return product
    made, last = alias.announcement.clip, alias.announcement.cause.product_revision
    wanted = (*clip.pixels, clip.frames)
    return {**product, "revision": last if (made.width, made.height, made.frames) == wanted else last + 1}


@contextmanager
def _bar(console: Console) -> Iterator[Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("planning", total=None)

        def advance(done: int, total: int, planned: bool) -> None:
            progress.update(task, completed=done, total=total or None, description="clips" if planned else "planning")

        yield advance


def _until_done(running: service.Service, chosen: Settings, products: int, advance: Any) -> None:
    """Wait until every product was planned and every request ended. Raises DemoError when nothing moves."""
    topics, value = chosen.topics, running.metrics.value
    last, moved = (-1.0, -1.0), time.monotonic()
    while True:
        running.check()
        planned = value(m.RECORDS, role="planner", topic=topics.product_created)
        requested = value(m.OUTPUTS, role="planner", topic=topics.clip_render)
        ended = value(m.RECORDS, role="renderer", topic=topics.clip_render)
        advance(int(ended), int(requested), planned >= products)
        if planned >= products and ended >= requested:
            return
        if (planned, ended) != last:
            last, moved = (planned, ended), time.monotonic()
        elif time.monotonic() - moved > STALL_SECONDS:
            raise DemoError(f"no progress for {STALL_SECONDS:.0f} s: {running.unready() or 'see the log above'}")
        time.sleep(TICK)


def tiles_of(store: Store, products: list[dict[str, Any]]) -> list[gallery.Tile]:
    """The gallery's tiles: every sample product whose alias shows a clip."""
    announcer = Announcer(store)
    tiles = []
    for value in products:
        product = _product(value)
        alias, _ = announcer.read(product.product_id, "default")
        if alias is not None and alias.announcement.clip is not None:
            tiles.append(_tile(product, alias.announcement))
    return tiles


def _product(value: dict[str, Any]) -> Product:
    return Product.from_avro(from_json(samples.schema(), value, "product-created"))


def _tile(product: Product, event: VideoReady) -> gallery.Tile:
    clip, lineage = event.clip, event.lineage
    assert clip is not None  # noqa: S101 - the caller looked
    return gallery.Tile(
        product_id=product.product_id,
        name=product.name,
        category=product.category,
        locale=product.locale,
        points=product.selling_points[:3],
        video=gallery.relative_url(clip.key),
        poster=gallery.relative_url(layout.poster_key(clip.clip_id)),
        width=clip.width,
        height=clip.height,
        seconds=clip.duration,
        size=clip.size,
        engine=lineage.engine if lineage else "",
        from_photo=bool(lineage and lineage.photo_sha256),
        revision=event.revision,
    )


def _report(console: Console, summary: Summary, tiles: list[gallery.Tile], out: Path, *, json: bool) -> None:
    if json:
        facts = {name: getattr(summary, name) for name in summary.__slots__}
        print(jsonlib.dumps({**facts, "clips": len(tiles), "out": str(out)}))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, width in (("product", 14), ("name", 31), ("category", 11), ("from", 5)):
        table.add_column(column, no_wrap=True, min_width=width, max_width=width)
    table.add_column("KiB", no_wrap=True, min_width=4, justify="right")
    for tile in tiles:
        cells = (tile.product_id, tile.name, tile.category, "photo" if tile.from_photo else "words")
        table.add_row(*map(Text, cells), str(tile.size // 1024))
    console.print(table)
    if summary.requests == 0:
        console.print(f"Nothing rendered: all {len(tiles)} clips are up to date ({summary.seconds:.1f} s).")
    else:
        per_clip = summary.engine_seconds / max(1, summary.rendered)
        console.print(
            f"{summary.rendered} rendered ({per_clip:.2f} s of engine a clip), {summary.ready} announced, "
            f"{summary.rejected} rejected, {summary.dead_letters} dead letters, in {summary.seconds:.1f} s."
        )
    for what, where in (("Gallery", "index.html"), ("Events", "events"), ("Clips", "store")):
        console.print(f"{what}: {out / where}", soft_wrap=True)
