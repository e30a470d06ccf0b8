"""``skureel demo``: the sample catalog becomes clips on this machine alone, and two promotions come and go.

Embedded broker, SQLite, files and the CPU engine stand in by configuration; planner, renderer and loop are those
that run on a cluster.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from consumer import service, settings
from consumer.events import Product, VideoReady
from consumer.observe import metrics as m
from consumer.operate import demo_promos, demo_run, demo_table, gallery, samples, stills
from consumer.operate.demo_promos import SecondAct
from consumer.operate.demo_run import At, DemoError, Run, Step, Told
from consumer.operate.demo_table import VERBS, Summary
from consumer.operate.follow import Follower
from consumer.operate.publish import PublishError
from consumer.planner.errors import CatalogError
from consumer.renderer.announce import Announcer
from consumer.settings import ClipSettings, Settings
from consumer.storage import layout
from consumer.storage.store import Store
from consumer.stream.jsonform import from_json
from consumer.stream.types import UnavailableError
from consumer.wiring import client_options, engine_of, open_codec
from model.engine import EngineSpec

__all__ = ["DemoError", "demo_settings", "run"]

STILLS = "stills"
"""Folder, beside the page, of the pictures that stand for end cards."""


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
    try:
        with service.running(chosen, "all") as running:
            summary = _acts(running, products, out=out, console=console)
            tiles = tiles_of(running.store, products, summary.second, out)
            gallery.write(out / "index.html", tiles, demo_table.facts(summary))
    except (service.ServiceError, PublishError, CatalogError, UnavailableError) as error:
        raise DemoError(str(error)) from error
    demo_table.report(console, summary, tiles, out, chosen, json=json)


def _acts(running: service.Service, products: list[dict[str, Any]], *, out: Path, console: Console) -> Summary:
    started, chosen = time.monotonic(), running.settings
    codec = open_codec(chosen)
    options = client_options(chosen.kafka, running.bootstrap)
    _store_photos(running.store)
    with (
        Follower(options, codec, demo_run.followed(running), out / "events") as follower,
        demo_promos.opened(chosen) as catalog,
    ):
        if not running.wait_ready(demo_run.START_SECONDS):
            raise DemoError(f"the service did not become ready: {running.unready()}")
        stage = Run(running, codec, options, follower, console)
        with demo_run.bar(console) as told:
            demo_promos.clear(stage, catalog, told)
            requests = stage.outputs(chosen.topics.clip_render)
            first = _first_act(stage, products, told)
            requests = stage.outputs(chosen.topics.clip_render) - requests
            second = demo_promos.play(stage, catalog, [product["product_id"] for product in products], told)
    return Summary(
        products=len(products),
        requests=requests,
        dead_letters=int(running.dead_letters()),
        seconds=time.monotonic() - started,
        first=first,
        second=second,
    )


def _first_act(stage: Run, products: list[dict[str, Any]], told: Told) -> Step:
    """The sample catalog is published, and its clips are made."""
    chosen, store = stage.service.settings, stage.service.store
    spec = engine_of(chosen).spec
    current = [_current(product, store, chosen.clip, spec) for product in products]
    progress = partial(_planned_and_made, stage, len(current))
    return stage.step("sample catalog", chosen.topics.product_created, current, progress, told)


def _planned_and_made(stage: Run, products: int, earlier: int) -> At:
    """Whether every product was planned and every request is answered, requests of an earlier run included."""
    topics = stage.service.settings.topics
    planned = int(stage.value(m.RECORDS, role="planner", topic=topics.product_created))
    requested = stage.outputs(topics.clip_render)
    answered = stage.answers() - earlier
    return At(
        label="clips" if planned >= products else "planning",
        done=min(answered, requested),
        total=requested or None,
        over=planned >= products and stage.open_requests() <= 0,
        moved=planned + answered,
    )


def _store_photos(store: Store) -> None:
    """Put the sample photos where the sample events say they are."""
    for key, data in samples.photos(lambda key: store.stat(key) is not None):
        store.put(key, data, layout.photo_attributes("image/png"))


def _current(product: dict[str, Any], store: Store, clip: ClipSettings, engine: EngineSpec) -> dict[str, Any]:
    """The product's event, raised by a revision where its clip was made for another size or length, or drawn otherwise.

    A catalog that wants its clips made anew under new settings does the same: it publishes its products again.
    """
    alias, _ = Announcer(store).read(product["product_id"], "default")
    if alias is None or alias.announcement.clip is None:
        return product
    made, last = alias.announcement.clip, alias.announcement.cause.product_revision
    lineage = alias.announcement.lineage
    was = (made.width, made.height, made.frames, lineage.engine_revision if lineage else None)
    return {**product, "revision": last if was == (*clip.pixels, clip.frames, engine.revision) else last + 1}


def tiles_of(store: Store, products: Sequence[dict[str, Any]], second: SecondAct, out: Path) -> list[gallery.Tile]:
    """The gallery's tiles: every sample product that shows a clip, and what it showed during a promotion."""
    tiles = []
    for value in products:
        product = _product(value)
        event = second.after.get(product.product_id)
        if event is not None:
            tiles.append(_tile(product, event, _promoted(store, product, second, out)))
    return tiles


def _product(value: dict[str, Any]) -> Product:
    return Product.from_avro(from_json(samples.schema(), value, "product-created"))


def _promoted(store: Store, product: Product, second: SecondAct, out: Path) -> gallery.Promoted | None:
    step, event = second.touched.get(product.product_id, (None, None))
    if step is None or event is None or event.clip is None or event.lineage is None:
        return None
    clip, kind = event.clip, step.name.split(" over ")[0]
    poster = gallery.relative_url(layout.poster_key(clip.clip_id))
    before = second.before.get(product.product_id)
    if before is not None and before.clip is not None and clip.frames > before.clip.frames:
        poster = gallery.relative_url(_still(store, clip.clip_id, clip.key, out), STILLS)
    return gallery.Promoted(
        kind=kind,
        work=VERBS[event.lineage.work],
        video=gallery.relative_url(clip.key),
        poster=poster,
        seconds=clip.duration,
    )


def _still(store: Store, clip_id: str, key: str, out: Path) -> str:
    """The clip's last picture as a file of the folder STILLS: its poster does not show the end card. Its name."""
    path = out / STILLS / f"{clip_id}.jpg"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(stills.last_picture(store.get(key)[0]))
    return path.name


def _tile(product: Product, event: VideoReady, promoted: gallery.Promoted | None) -> gallery.Tile:
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
        promoted=promoted,
    )
