"""What the demo says at its end: each clip's work, each step's cost, and the same for machines. Makes nothing."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.events import VideoReady, Work
from consumer.operate.demo_promos import SecondAct
from consumer.operate.demo_run import Step
from consumer.operate.gallery import Fact, Tile
from consumer.settings import Settings

MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did."""

    products: int
    requests: int
    dead_letters: int
    seconds: float
    first: Step
    second: SecondAct

    @property
    def steps(self) -> tuple[Step, ...]:
        """Both acts."""
        return (self.first, *self.second.steps)

    @property
    def rerender_seconds(self) -> float:
        """What the promotions would have cost here, had each clip that they changed been rendered again."""
        return sum(step.rerender_seconds for step in self.second.began)


def gpu_seconds(chosen: Settings, clips: int) -> float | None:
    """An estimate of what rendering clips takes a video model; None where nobody has said what one clip takes."""
    planner = chosen.planner
    said = "gpu_seconds_per_clip" in planner.model_fields_set
    return clips * planner.gpu_seconds_per_clip if said else None


def facts(summary: Summary) -> list[Fact]:
    """The promotions in a few figures, for the page."""
    second = summary.second
    work = [
        Fact(figure=f"{step.work_seconds:.1f} s", meaning=f"of work, {step.name}: {said(step)}")
        for step in second.began
    ]
    again = "of engine time to render the changed clips again instead, as measured on this machine"
    back = f"products show their earlier clips again after both ended: {_nothing(second.ended)}"
    return [
        *work,
        Fact(figure=f"{summary.rerender_seconds:.1f} s", meaning=again),
        Fact(figure=f"{len(second.returned)} of {len(second.touched)}", meaning=back),
    ]


def said(step: Step) -> str:
    """The work of a step's clips in words."""
    words = [f"{step.works[work]} {VERBS[work]}" for work in VERBS if step.works[work]]
    return ", ".join(words) or "nothing to do"


VERBS = {
    Work.RENDER: "rendered",
    Work.DRESS: "dressed",
    Work.SPLICE: "spliced",
    Work.NONE: "taken from the store",
}
"""Works as the page and the tables name them."""
ACTS = ("clip", "promo", "after")
"""What a product's works are for: its clip, a promotion's, and the way back."""


def _nothing(steps: Sequence[Step]) -> str:
    made = sum(step.works.total() - step.works[Work.NONE] for step in steps)
    return f"{made} made anew" if made else "no work but the announcements"


def report(
    console: Console, summary: Summary, tiles: Sequence[Tile], out: Path, chosen: Settings, *, json: bool
) -> None:
    """Everything, for people or for machines."""
    if json:
        print(jsonlib.dumps(as_json(summary, tiles, out, chosen), ensure_ascii=False))
        return
    console.print(_clips(summary, tiles))
    console.print(_steps(summary))
    for line in _lines(summary, len(tiles), chosen):
        console.print(line, highlight=False)
    for what, where in (("Gallery", "index.html"), ("Events", "events"), ("Clips", "store")):
        console.print(f"{what}: {out / where}", soft_wrap=True)


def _lines(summary: Summary, clips: int, chosen: Settings) -> list[str]:
    first, second = summary.first, summary.second
    if summary.requests == 0:
        lines = [f"Nothing rendered: all {clips} clips are up to date ({summary.seconds:.1f} s)."]
    else:
        per_clip = first.engine_seconds / max(1, first.works[Work.RENDER])
        made = f"{first.works[Work.RENDER]} rendered ({per_clip:.2f} s of engine a clip), {len(first.clips)} announced"
        rest = f"{first.rejected} rejected, {summary.dead_letters} dead letters, in {summary.seconds:.1f} s."
        lines = [f"{made}, {rest}"]
    changed = len(second.touched)
    if not second.made:
        lines.append(f"Nothing dressed or spliced anew: the {changed} clips of the promotions were in the store.")
    else:
        work = sum(step.work_seconds for step in second.steps)
        lines.append(
            f"The promotions changed {changed} clips with {work:.1f} s of work. Rendering them again would have "
            f"taken {summary.rerender_seconds:.1f} s of engine time, as measured when they were rendered."
        )
    estimate = gpu_seconds(chosen, changed)
    if estimate is not None:
        lines.append(
            f"An estimate for a video model: {estimate / MINUTE:.1f} GPU minutes, at planner.gpu_seconds_per_clip = "
            f"{chosen.planner.gpu_seconds_per_clip:g}."
        )
    lines.append(
        f"Both promotions are over: {len(second.returned)} of {changed} products show their earlier clip again, "
        f"with {_nothing(second.ended)}."
    )
    return lines


def _clips(summary: Summary, tiles: Sequence[Tile]) -> Table:
    """A row a product: the work of its clip, of its clip with a promotion, and of the way back."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, width in (("product", 14), ("name", 23), ("category", 10), *zip(ACTS, (6, 6, 5), strict=True)):
        table.add_column(column, no_wrap=True, min_width=width, max_width=width)
    worked = works_of(summary)
    for tile in tiles:
        works = worked[tile.product_id]
        table.add_row(*map(Text, (tile.product_id, tile.name, tile.category, *works)))
    return table


def works_of(summary: Summary) -> dict[str, tuple[str, str, str]]:
    """Each product's work, as announced: for its clip, for a promotion, and after it; a dash where nothing was."""
    second = summary.second
    acts = (
        summary.first.by_product(),
        {product: clip for product, (_, clip) in second.touched.items()},
        {product: clip for step in second.ended for product, clip in step.by_product().items()},
    )
    products = {*second.before, *(product for act in acts for product in act)}
    return {
        product: (_work(acts[0], product), _work(acts[1], product), _work(acts[2], product)) for product in products
    }


def _work(act: Mapping[str, VideoReady], product: str) -> str:
    event = act.get(product)
    return event.lineage.work.value.lower() if event and event.lineage else "–"


def _steps(summary: Summary) -> Table:
    """A row a step: its clips by work, seconds of that work, seconds that passed, and what rendering them takes."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("", no_wrap=True)
    for column in ("render", "dress", "splice", "none", "work\ns", "took\ns", "re-render\ns"):
        table.add_column(column, justify="right", no_wrap=True)
    for step in summary.steps:
        counts = (step.works[work] for work in (Work.RENDER, Work.DRESS, Work.SPLICE, Work.NONE))
        seconds = (step.work_seconds, step.seconds, step.rerender_seconds)
        table.add_row(
            Text(step.name), *(str(count or "") for count in counts), *(f"{figure:.2f}" for figure in seconds)
        )
    return table


def as_json(summary: Summary, tiles: Sequence[Tile], out: Path, chosen: Settings) -> dict[str, Any]:
    """The same for machines."""
    first, second = summary.first, summary.second
    works = works_of(summary)
    return {
        "products": summary.products,
        "requests": summary.requests,
        "ready": len(first.clips),
        "rejected": first.rejected,
        "dead_letters": summary.dead_letters,
        "rendered": first.works[Work.RENDER],
        "engine_seconds": first.engine_seconds,
        "seconds": summary.seconds,
        "clips": len(tiles),
        "out": str(out),
        "steps": [_step(step) for step in summary.steps],
        "promoted": len(second.touched),
        "made_for_promotions": second.made,
        "returned": len(second.returned),
        "rerender_seconds": summary.rerender_seconds,
        "estimated_gpu_seconds": gpu_seconds(chosen, len(second.touched)),
        "works": {tile.product_id: dict(zip(ACTS, works[tile.product_id], strict=True)) for tile in tiles},
    }


def _step(step: Step) -> dict[str, Any]:
    counts = {work.value.lower(): step.works[work] for work in VERBS}
    return {
        "name": step.name,
        **counts,
        "rejected": step.rejected,
        "render_seconds": step.engine_seconds,
        "dress_seconds": step.dress_seconds,
        "splice_seconds": step.splice_seconds,
        "seconds": step.seconds,
        "rerender_seconds": step.rerender_seconds,
    }
