"""``skureel deadletters``: records that could not be worked. The work is in ``consumer.operate.deadletters``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from consumer import settings
from consumer.cli.shared import FAILED, STOPPED, UNAVAILABLE, USAGE, Config, Json, fail, group, settings_of

if TYPE_CHECKING:
    from consumer.operate.deadletters import Choice

app = group("deadletters", "List dead letters, publish them again, or drop them.")

Topic = Annotated[list[str] | None, typer.Option(help="Only of this topic; may be repeated.")]
Role = Annotated[str | None, typer.Option(help="Only those that planner, renderer or dresser gave up.")]
Reason = Annotated[str | None, typer.Option(help="Only with this text in the reason or in the error's class.")]
StageOption = Annotated[str | None, typer.Option("--stage", help="Only of this stage: decode, validate, render, …")]
ProductOption = Annotated[str | None, typer.Option("--product", help="Only with this key: a product's or promo's id.")]
Since = Annotated[
    str | None, typer.Option(help="Only failed since: 2031-05-06T07:08, or so long ago: 90s, 30m, 2h, 7d.")
]
Until = Annotated[str | None, typer.Option(help="Only failed before: as for --since.")]
Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most N, the oldest records first.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")]
Everything = Annotated[bool, typer.Option("--all", help="All of them: needed where neither ids nor filters are given.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids as `list` prints them: TOPIC.GROUP.dlq/PARTITION/OFFSET.")]


@contextmanager
def _ends() -> Iterator[None]:
    """Errors to exit codes."""
    from consumer.operate import deadletters as command

    try:
        yield
    except settings.SettingsError as error:
        fail(str(error), USAGE)
    except command.LettersError as error:
        fail(str(error), USAGE if error.usage else UNAVAILABLE)
    except KeyboardInterrupt:
        fail("stopped; what was handled is handled, the rest is as it was", STOPPED)


def _choice(
    ids: list[str] | None,
    topics: list[str] | None,
    role: str | None,
    texts: tuple[str | None, str | None, str | None],
    times: tuple[str | None, str | None],
    limit: int | None,
) -> Choice:
    """The letters that the options mean; ``texts`` are reason, stage and product, ``times`` since and until."""
    from consumer.operate import deadletters as command

    reason, stage, product = texts
    since, until = (command.instant(text) if text else None for text in times)
    return command.Choice(
        ids=tuple(ids or ()),
        topics=tuple(topics or ()),
        role=role,
        reason=reason,
        stage=stage,
        product=product,
        since=since,
        until=until,
        limit=limit,
    )


@app.command("list")
def letters_list(
    topic: Topic = None,
    role: Role = None,
    reason: Reason = None,
    stage: StageOption = None,
    product: ProductOption = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    handled: Annotated[bool, typer.Option("--handled", help="Those too that were replayed or dropped.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the dead letters that nobody has handled.

    Reads the topics TOPIC.GROUP.dlq to their present end. With --json one object a line.
    """
    from consumer.operate import deadletters_shown

    with _ends():
        choice = _choice(None, topic, role, (reason, stage, product), (since, until), limit)
        deadletters_shown.listed(settings_of(config), choice, handled=handled, machine=json)


@app.command("show")
def letters_show(
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="As `list` prints it: TOPIC.GROUP.dlq/PARTITION/OFFSET.")
    ],
    config: Config = None,
    json: Json = False,
) -> None:
    """Show one dead letter.

    Its reason, its headers, and its value: decoded where that is possible, else as base64.
    """
    from consumer.operate import deadletters_shown

    with _ends():
        deadletters_shown.one(settings_of(config), identity, machine=json)


@app.command("replay")
def letters_replay(
    ids: Ids = None,
    topic: Topic = None,
    role: Role = None,
    reason: Reason = None,
    stage: StageOption = None,
    product: ProductOption = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    stale: Annotated[bool, typer.Option("--superseded", help="Those too that something newer has superseded.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Those too that were replayed kafka.replays times.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Publish the records of dead letters again, each to its own topic and partition.

    What something newer has superseded is only marked as handled. A letter is published and marked in one transaction:
    interrupted, a replay goes on where it was. Exit code 1 if the broker refused some.
    """
    from consumer.operate import deadletters as command
    from consumer.operate import deadletters_shown

    with _ends():
        choice = _choice(ids, topic, role, (reason, stage, product), (since, until), limit)
        _must_be_meant(choice.everything, everything)
        loaded = settings_of(config)
        with command.shown() as bar:
            report = command.replay(loaded, choice, stale=stale, again=again, dry_run=dry_run, bar=bar)
        deadletters_shown.told(report, machine=json)
    if report.failures:
        raise typer.Exit(FAILED)


@app.command("drop")
def letters_drop(
    ids: Ids = None,
    topic: Topic = None,
    role: Role = None,
    reason: Reason = None,
    stage: StageOption = None,
    product: ProductOption = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Have dead letters count as handled, and publish nothing.

    They are listed no more, and stay on their topic until its retention ends.
    """
    from consumer.operate import deadletters as command
    from consumer.operate import deadletters_shown

    with _ends():
        choice = _choice(ids, topic, role, (reason, stage, product), (since, until), limit)
        _must_be_meant(choice.everything, everything)
        loaded = settings_of(config)
        with command.shown() as bar:
            report = command.drop(loaded, choice, dry_run=dry_run, bar=bar)
        deadletters_shown.told(report, machine=json)
    if report.failures:
        raise typer.Exit(FAILED)


def _must_be_meant(unfiltered: bool, everything: bool) -> None:
    if unfiltered and not everything:
        fail("give ids or filters, or --all for all of them (--dry-run shows what would be done)", USAGE)
