"""``skureel promo``: promotions. The work is in ``consumer.operate.promo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consumer.cli.shared import UNAVAILABLE, USAGE, Config, Json, fail, group, settings_of

app = group("promo", "What a promotion would cost, and how far they are.")


@app.command("plan")
def promo_plan(
    file: Annotated[Path, typer.Argument(help="promo-changed events as for publish, or one JSON object.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Say what a promotion would cost, before it is published.

    How many products it touches, how many clips are spliced, dressed and rendered, the GPU hours and their price
    (planner.gpu_seconds_per_clip, planner.gpu_price_per_hour). Looks at every product; writes nothing. A ribbon or an
    end card that cannot be drawn whole at clip.size is refused, as the planner would refuse it.
    """
    from consumer.operate import promo as command

    loaded = settings_of(config)
    try:
        command.plan(loaded, file, json=json)
    except command.PromoError as error:
        fail(str(error), USAGE if error.usage else UNAVAILABLE)


@app.command("status")
def promo_status(config: Config = None, json: Json = False) -> None:
    """Show the promotions and how far their fan-outs are.

    Products looked at, rate, time left, and the work they led to.
    """
    from consumer.operate import promo as command

    loaded = settings_of(config)
    try:
        command.status(loaded, json=json)
    except command.PromoError as error:
        fail(str(error), USAGE if error.usage else UNAVAILABLE)
