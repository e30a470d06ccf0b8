"""The demo's second act: two promotions begin and end, by events like any shop's, and nothing is rendered for them.

Publishes and measures; shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from consumer.events import Promo, VideoReady, Work, utc_now
from consumer.operate import samples
from consumer.operate.demo_run import At, Run, Step, Told
from consumer.planner.catalog import Catalog
from consumer.planner.promotions import Phase
from consumer.planner.tables import PENDING, FanOutRow, PromoRow
from consumer.renderer.announce import Announcer
from consumer.settings import Settings
from consumer.storage.store import Store

RECENT = 50
"""Fan-outs that are looked through for the newest one of a promotion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondAct:
    """What came of the promotions."""

    began: tuple[Step, ...]
    ended: tuple[Step, ...]
    before: Mapping[str, VideoReady]
    """What each product showed before them."""
    after: Mapping[str, VideoReady]
    """What each product shows now that they are over."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in their order."""
        return (*self.began, *self.ended)

    @property
    def touched(self) -> dict[str, tuple[Step, VideoReady]]:
        """The clip that each touched product showed meanwhile, and the step that brought it."""
        return {product: (step, clip) for step in self.began for product, clip in step.by_product().items()}

    @property
    def returned(self) -> list[str]:
        """Touched products that show their earlier clip again."""
        return [product for product in self.touched if clip_of(self.after, product) == clip_of(self.before, product)]

    @property
    def made(self) -> int:
        """Clips that were dressed or spliced anew, or even rendered."""
        return sum(step.works.total() - step.works[Work.NONE] for step in self.steps)


def clip_of(shown: Mapping[str, VideoReady], product: str) -> str | None:
    """The id of the clip that a product shows; None without one."""
    event = shown.get(product)
    return event.clip.clip_id if event and event.clip else None


def shown_by(store: Store, products: list[str]) -> dict[str, VideoReady]:
    """What each product's alias says, for those that show a clip."""
    announcer = Announcer(store)
    read = {product: announcer.read(product, "default")[0] for product in products}
    return {product: alias.announcement for product, alias in read.items() if alias and alias.announcement.clip}


def kind_of(promo: Promo) -> str:
    """What the promotion shows, in a word or two."""
    return "ribbon" if promo.creative.ribbon else "end card"


def name_of(promo: Promo) -> str:
    """What the promotion shows and where."""
    where = "all" if promo.scope.all else ", ".join(promo.scope.categories)
    return f"{kind_of(promo)} over {where}"


@contextmanager
def opened(chosen: Settings) -> Iterator[Catalog]:
    """The planner's catalog, to look into. Raises CatalogError, UnavailableError."""
    catalog = Catalog.open(chosen.database.url.get_secret_value(), chosen.database.timeout, migrate=False)
    try:
        yield catalog
    finally:
        catalog.close()


def play(run: Run, catalog: Catalog, products: list[str], told: Told) -> SecondAct:
    """Both promotions begin, one after the other, and end in the opposite order. Raises what ``Run.step`` raises.

    In this order none touches a clip that the other one shows, so that each product changes once and back.
    """
    promos, store = samples.promos(), run.service.store
    before = shown_by(store, products)
    began = [_change(run, catalog, promo, "ACTIVE", told) for promo in promos]
    ended = [_ended(run, catalog, promo, told) for promo in reversed(promos)]
    after = shown_by(store, products)
    return SecondAct(began=tuple(began), ended=tuple(ended), before=before, after=after)


def clear(run: Run, catalog: Catalog, told: Told) -> None:
    """End what an earlier demo began and was killed before it could end. Raises what ``Run.step`` raises."""
    for promo in reversed(samples.promos()):
        row = _known(catalog, promo.promo_id)
        if row is not None and row.phase != Phase.OVER.name:
            _ended(run, catalog, promo, told)


def _ended(run: Run, catalog: Catalog, promo: Promo, told: Told) -> Step:
    return _change(run, catalog, promo, "ENDED", told)


def _change(run: Run, catalog: Catalog, promo: Promo, status: Literal["ACTIVE", "ENDED"], told: Told) -> Step:
    """The next revision of a promotion, and all that follows from it."""
    name = name_of(promo) if status == "ACTIVE" else f"{kind_of(promo)} ends"
    row = _known(catalog, promo.promo_id)
    revision = row.revision + 1 if row else promo.revision
    (event,) = (each for each in samples.load_promos() if each["promo_id"] == promo.promo_id)
    fresh: dict[str, Any] = {
        "event_id": f"{promo.promo_id}-r{revision}",
        "occurred_at": utc_now().isoformat(timespec="milliseconds"),
        "revision": revision,
        "status": status,
    }
    progress = partial(_progress, run, catalog, (promo.promo_id, revision), name)
    return run.step(name, run.service.settings.topics.promo_changed, [event | fresh], progress, told)


def _known(catalog: Catalog, promo_id: str) -> PromoRow | None:
    return catalog.transaction(lambda ledger: ledger.book.promos([promo_id]).get(promo_id))


def _progress(run: Run, catalog: Catalog, promo: tuple[str, int], name: str, earlier: int) -> At:
    """How many of the fan-out's requests are answered."""
    row = _fan_out(catalog, *promo)
    if row is None:
        return At(label=name, done=0, total=None, over=False, moved=0)
    wanted = row.rendered + row.dressed + row.spliced - row.held
    answered = run.answers() - earlier
    finished = row.state != PENDING
    over = finished and answered >= wanted and run.open_requests() <= 0
    total = wanted if finished else None
    return At(label=name, done=min(answered, wanted), total=total, over=over, moved=1 + row.visited + answered)


def _fan_out(catalog: Catalog, promo_id: str, revision: int) -> FanOutRow | None:
    rows = catalog.transaction(lambda ledger: ledger.book.fan_outs(RECENT))
    return next((row for row in rows if (row.promo_id, row.revision) == (promo_id, revision)), None)
