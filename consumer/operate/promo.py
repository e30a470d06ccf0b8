"""``skureel promo``: what a promotion would cost before it is published, and how far the running fan-outs are.

Reads the catalog and writes nothing.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from consumer.events import EventError, Promo, utc_now
from consumer.operate.catalogs import NoCatalogError, opened
from consumer.operate.event_files import read_events
from consumer.operate.publish import InvalidError
from consumer.planner.catalog import Catalog
from consumer.planner.configured import prompts_of, rules_of
from consumer.planner.drafts import Drafter
from consumer.planner.forecast import Forecast, foresee
from consumer.planner.legible import check_legible
from consumer.planner.page import DRESSED, FAILED, HELD, RENDERED, SPLICED, UNCHANGED
from consumer.planner.promotions import Phase
from consumer.planner.prompting.rulebook import RuleError
from consumer.planner.prompting.schema import TemplateError
from consumer.planner.refusals import check_wording
from consumer.planner.tables import PENDING, FanOutRow, PromoRow, instant
from consumer.settings import Settings
from consumer.wiring import PlanningError, engine_of, planning_of
from model.engine import EngineError

SHOWN = 20
"""Fan-outs that ``status`` shows: the pending ones, then the newest."""
BAR = 10
HOUR = 3600.0


class PromoError(Exception):
    """Raised when a command cannot be done. ``usage`` tells a wrong file or setting from a part that is out."""

    def __init__(self, message: str, *, usage: bool) -> None:
        super().__init__(message)
        self.usage = usage


@contextmanager
def _catalog(settings: Settings) -> Iterator[Catalog]:
    """The catalog of the planner. Raises PromoError, also for what goes wrong in the block."""
    try:
        with opened(settings) as catalog:
            yield catalog
    except NoCatalogError as error:
        raise PromoError(str(error), usage=error.usage) from error


# promo plan


def read_promos(settings: Settings, file: Path) -> list[Promo]:
    """The promos in a file: JSON lines as for ``publish``, or one JSON object. Raises PromoError."""
    try:
        return read_events(settings, settings.topics.promo_changed, file, Promo.from_avro, "promotion")
    except InvalidError as error:
        raise PromoError(str(error), usage=True) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the renders of a forecast cost."""

    gpu_hours: float
    price: float


def cost_of(settings: Settings, forecast: Forecast, *, generative: bool) -> Cost:
    """By the planner's settings; engines without a model need no GPU."""
    seconds = forecast.results[RENDERED] * settings.planner.gpu_seconds_per_clip if generative else 0.0
    return Cost(gpu_hours=seconds / HOUR, price=seconds / HOUR * settings.planner.gpu_price_per_hour)


def plan(settings: Settings, file: Path, *, json: bool) -> None:
    """The command. Raises PromoError."""
    found = read_promos(settings, file)
    try:
        spec = engine_of(settings).spec
        planning = planning_of(settings, spec)
        prompts, rules = prompts_of(settings), rules_of(settings)
    except (EngineError, PlanningError, TemplateError, RuleError, NotADirectoryError) as error:
        raise PromoError(str(error), usage=True) from error
    for promo in found:
        try:
            check_wording(promo, rules)
            check_legible(promo, planning)
        except EventError as error:
            raise PromoError(f"{promo.promo_id}: {error}", usage=True) from error
    drafter = Drafter(prompts, planning, settings.planner.long_tail == "on_demand", rules)
    console = Console()
    with _catalog(settings) as catalog:
        for promo in found:
            forecast = _foresee(catalog, drafter, promo)
            cost = cost_of(settings, forecast, generative=spec.generative)
            if json:
                print(jsonlib.dumps(_forecast_json(forecast, cost), ensure_ascii=False))
            else:
                _show_forecast(console, forecast, cost)


def _foresee(catalog: Catalog, drafter: Drafter, promo: Promo) -> Forecast:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("looking at products")
        return foresee(
            catalog, drafter, promo, utc_now(), lambda done, total: progress.update(task, completed=done, total=total)
        )


def _forecast_json(forecast: Forecast, cost: Cost) -> dict[str, Any]:
    results = forecast.results
    return {
        "promo_id": forecast.promo.promo_id,
        "revision": forecast.promo.revision,
        "phase": forecast.phase.name,
        "skipped": forecast.skip,
        "products": forecast.products,
        "unknown_ids": forecast.unknown_ids,
        "splice": results[SPLICED],
        "dress": results[DRESSED],
        "render": results[RENDERED],
        "unchanged": results[UNCHANGED],
        "failed": results[FAILED],
        "held": results[HELD],
        "gpu_hours": round(cost.gpu_hours, 4),
        "cost": round(cost.price, 2),
    }


def _show_forecast(console: Console, forecast: Forecast, cost: Cost) -> None:
    promo, results = forecast.promo, forecast.results
    console.print(Text(f"{promo.promo_id}, revision {promo.revision}: {_state(forecast)}"))
    if forecast.skip:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("products")
    table.add_column("", justify="right")
    rows = {
        "looked at": forecast.products,
        "splice (end card only)": results[SPLICED],
        "dress (ribbon)": results[DRESSED],
        "render (engine)": results[RENDERED],
        "unchanged": results[UNCHANGED],
        "cannot be planned": results[FAILED],
        "wait until asked for": results[HELD],
        "ids nobody knows": forecast.unknown_ids,
    }
    for name, number in rows.items():
        if number or name == "looked at":
            table.add_row(name, f"{number:,}")
    console.print(table)
    console.print(f"GPU hours {cost.gpu_hours:,.2f}, cost {cost.price:,.2f}", highlight=False)


def _state(forecast: Forecast) -> str:
    if forecast.skip:
        return f"would be skipped ({forecast.skip}): publish it with a higher revision"
    starts = forecast.promo.starts_at
    if forecast.phase is Phase.WAITING and starts:
        return f"would wait until {starts.isoformat()}, and then:"
    return "would start now:" if forecast.phase is Phase.RUNNING else "is over; what it showed is taken back:"


# promo status


def status(settings: Settings, *, json: bool) -> None:
    """The command. Raises PromoError."""
    with _catalog(settings) as catalog:
        promos, fan_outs = catalog.transaction(lambda ledger: (ledger.book.all_promos(), ledger.book.fan_outs(SHOWN)))
    now = utc_now()
    if json:
        found = {
            "promos": [_promo_json(row) for row in promos],
            "fan_outs": [progress_of(row, now) for row in fan_outs],
        }
        print(jsonlib.dumps(found, ensure_ascii=False))
        return
    console = Console()
    _show_promos(console, promos)
    _show_fan_outs(console, fan_outs, now)


def _promo_json(row: PromoRow) -> dict[str, Any]:
    return {
        "promo_id": row.promo_id,
        "revision": row.revision,
        "phase": row.phase,
        "until": instant(row.due_at).isoformat() if row.due_at is not None else None,
    }


def progress_of(row: FanOutRow, now: datetime) -> dict[str, Any]:
    """A fan-out's progress: how far, how fast, how long still. None where that cannot be said."""
    end = max(now, instant(row.updated_at)) if row.state == PENDING else instant(row.updated_at)
    seconds = (end - instant(row.started_at)).total_seconds() if row.started_at is not None else 0.0
    rate = row.visited / seconds if seconds > 0 else None
    total = row.total if row.total is not None and row.total >= 0 else None
    left = max(0, total - row.visited) if total is not None else None
    return {
        "promo_id": row.promo_id,
        "revision": row.revision,
        "reason": row.reason,
        "state": row.state,
        "visited": row.visited,
        "total": total,
        "render": row.rendered,
        "dress": row.dressed,
        "splice": row.spliced,
        "held": row.held,
        "failed": row.failed,
        "per_second": round(rate, 1) if rate is not None else None,
        "seconds_left": round(left / rate, 1) if rate and left is not None and row.state == PENDING else None,
        "began": instant(row.created_at).isoformat(),
    }


def _show_promos(console: Console, promos: list[PromoRow]) -> None:
    live = [row for row in promos if row.phase != Phase.OVER.name]
    over = len(promos) - len(live)
    if live:
        table = Table("promotion", "revision", "phase", "until", box=box.SIMPLE_HEAD, pad_edge=False)
        for row in live:
            until = instant(row.due_at).isoformat(timespec="seconds") if row.due_at is not None else "ended by an event"
            table.add_row(Text(row.promo_id), str(row.revision), row.phase.lower(), until)
        console.print(table)
    console.print(f"{len(live)} promotions running or waiting, {over} over", highlight=False)


def _show_fan_outs(console: Console, fan_outs: list[FanOutRow], now: datetime) -> None:
    if not fan_outs:
        console.print("no fan-outs yet")
        return
    heads = ("promotion", "", "products", "a second", "time left", "work")
    table = Table(*heads, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in fan_outs:
        told = progress_of(row, now)
        total, done = told["total"], row.state != PENDING
        bar = ProgressBar(total=total or 1, completed=row.visited if total else 0, width=BAR, pulse=False)
        works = {"render": row.rendered, "dress": row.dressed, "splice": row.spliced, "failed": row.failed}
        table.add_row(
            Text(f"{row.promo_id} r{row.revision}"),
            Text(row.state.lower()) if done else bar,
            f"{row.visited:,} of {total:,}" if total is not None else f"{row.visited:,}",
            f"{told['per_second']:,.0f}" if told["per_second"] is not None else "",
            _duration(told["seconds_left"]),
            ", ".join(f"{number:,} {name}" for name, number in works.items() if number),
        )
    console.print(table)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
