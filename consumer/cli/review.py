"""``skureel review``: rejected clips decided about, published ones looked at. The work is in ``consumer.operate``."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from consumer import settings
from consumer.cli.shared import FAILED, STOPPED, UNAVAILABLE, USAGE, Config, Json, fail, group, settings_of

if TYPE_CHECKING:
    from consumer.operate.review_queue import Filter
    from consumer.operate.review_records import Word

app = group("review", "Decide about rejected clips, and look at published ones.")

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids as `list` prints them; 6 digits may do.")]
Reviewer = Annotated[str | None, typer.Option(help="Your id: no name, no mail address. Default: review.reviewer.")]
Note = Annotated[str, typer.Option(help="A remark, kept with the decision; at most 1,000 characters.")]
StateName = Literal["waiting", "pending", "no-clip", "unfinished", "approved", "rejected", "closed", "all"]


@contextmanager
def _ends() -> Iterator[None]:
    """Errors to exit codes."""
    from consumer.operate.deadletters import LettersError
    from consumer.operate.review_records import ReviewError

    try:
        yield
    except settings.SettingsError as error:
        fail(str(error), USAGE)
    except LettersError as error:
        fail(str(error), USAGE if error.usage else UNAVAILABLE)
    except ReviewError as error:
        fail(str(error), {"usage": USAGE, "refused": FAILED, "out": UNAVAILABLE}[error.kind])
    except KeyboardInterrupt:
        fail("stopped; what was decided is decided, and may be finished by deciding it again", STOPPED)


def _word(loaded: settings.Settings, reviewer: str | None, reason: str, note: str) -> Word:
    from consumer.operate.review_records import ReviewError, Word

    who = reviewer if reviewer is not None else loaded.review.reviewer
    if who is None:
        raise ReviewError("who decides? give --reviewer, or set review.reviewer (SKUREEL_REVIEW__REVIEWER)", "usage")
    return Word(reviewer=who, reason=reason, note=note)


def _filter(
    state: StateName,
    product: str | None,
    check: str | None,
    action: str | None,
    since: str | None,
    limit: int | None,
) -> Filter:
    from consumer.operate.deadletters import instant
    from consumer.operate.review_queue import WAITING, Filter, State

    named = {"waiting": WAITING, "all": frozenset(State)}
    return Filter(
        states=named.get(state) or frozenset({State(state)}),
        product=product,
        check=check,
        action=action,
        since=instant(since) if since else None,
        limit=limit,
    )


@app.command("list")
def review_list(
    state: Annotated[
        StateName, typer.Option(help="Where they stand. waiting: pending, no-clip and unfinished ones.")
    ] = "waiting",
    product: Annotated[str | None, typer.Option(help="Only of this product.")] = None,
    check: Annotated[str | None, typer.Option(help="Only those that failed this check, or this wording rule.")] = None,
    action: Annotated[
        Literal["reject", "review"] | None, typer.Option(help="reject: the inspection is sure; review: it is not.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only rejected since: 2031-05-06T07:08, or so long ago: 90s, 30m, 2h, 7d.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most N, the oldest first.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the rejected clips that wait for a person, the oldest first.

    What a newer plan or announcement took the place of waits no more. With --json one object a line.
    """
    from consumer.operate import review_shown

    with _ends():
        review_shown.listed(settings_of(config), _filter(state, product, check, action, since, limit), json=json)


@app.command("show")
def review_show(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `list` prints it; 6 digits may do.")],
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Copy the last attempt's clip there.")] = None,
    sheet: Annotated[
        Path | None, typer.Option("--contact-sheet", metavar="PNG", help="Draw frames of every attempt there.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show all that is known of one rejected clip.

    Reasons, scores, every attempt with a link to its clip, what it was to be, and who decided what.
    """
    from consumer.operate import review_shown

    with _ends():
        review_shown.one(settings_of(config), identity, save=save, sheet=sheet, json=json)


@app.command("approve")
def review_approve(
    ids: Ids,
    reason: Annotated[str, typer.Option(help="false-alarm, intended, acceptable, or other with a note.")],
    reviewer: Reviewer = None,
    note: Note = "",
    attempt: Annotated[
        int | None, typer.Option(min=1, help="Which attempt, counted from 1 as `show` lists them; default: the last.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Finish what another reviewer began, or publish the request once more.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Approve rejected clips: each is dressed, labelled, verified and announced as any clip.

    Needs a running renderer. The first decision about a clip stands: who comes second is told who decided (exit code
    1). An approval that was interrupted is finished by the same command.
    """
    from consumer.operate import review

    with _ends():
        loaded = settings_of(config)
        word = _word(loaded, reviewer, reason, note)
        outcomes = review.approve(loaded, ids, word, attempt=attempt, resume=resume)
        if not review.tell(outcomes, json=json, say=_complain):
            raise typer.Exit(FAILED)


@app.command("reject")
def review_reject(
    ids: Ids,
    reason: Annotated[
        str,
        typer.Option(
            help="confirmed, wrong-product, wrong-colour, deformed, unsafe, text, motion, unattractive, or other "
            "with a note."
        ),
    ],
    reviewer: Reviewer = None,
    note: Note = "",
    config: Config = None,
    json: Json = False,
) -> None:
    """Confirm rejections: the clips stay unpublished, and are listed no more.

    The product keeps the clip it had before, if any, until its record changes.
    """
    from consumer.operate import review

    with _ends():
        loaded = settings_of(config)
        outcomes = review.reject(loaded, ids, _word(loaded, reviewer, reason, note))
        if not review.tell(outcomes, json=json, say=_complain):
            raise typer.Exit(FAILED)


@app.command("retry")
def review_retry(ids: Ids, config: Config = None, json: Json = False) -> None:
    """Publish the requests behind rejections again, without a decision.

    For what was mended meanwhile: a template that was out of use, more attempts allowed. Attempts that are in the
    quarantine are not rendered again.
    """
    from consumer.operate import review

    with _ends():
        if not review.tell(review.retry(settings_of(config), ids), json=json, say=_complain):
            raise typer.Exit(FAILED)


@app.command("sample")
def review_sample(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Clips that were looked at; needs --verdict.")
    ] = None,
    verdict: Annotated[Literal["ok", "bad"] | None, typer.Option(help="What was found.")] = None,
    reason: Annotated[str | None, typer.Option(help="For bad ones: a code as for `reject`.")] = None,
    reviewer: Reviewer = None,
    note: Note = "",
    template: Annotated[str | None, typer.Option(help="Only of this template version, NAME@VERSION.")] = None,
    bad: Annotated[bool, typer.Option("--bad", help="List what was found bad.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most N, the oldest first.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the published clips that a person is to look at, or write down what was found.

    The first clips of each template version (review.audit_first), then a share of the rest (review.audit_percent),
    chosen by hash: the same for whoever asks. Says how many are left.
    """
    from consumer.operate import review
    from consumer.operate import review_sample as command
    from consumer.operate.review_records import ReviewError

    with _ends():
        loaded = settings_of(config)
        if not ids:
            if verdict:
                raise ReviewError("--verdict: of which clips? give ids", "usage")
            command.listed(loaded, template=template, bad=bad, limit=limit, json=json)
            return
        if verdict is None:
            raise ReviewError("what was found? give --verdict ok or --verdict bad", "usage")
        word = _word(loaded, reviewer, reason or ("ok" if verdict == "ok" else ""), note)
        if not review.tell(command.judge(loaded, ids, verdict, word), json=json, say=_complain):
            raise typer.Exit(FAILED)


@app.command("export")
def review_export(
    form: Annotated[Literal["label-studio"], typer.Option("--format", help="For which tool.")] = "label-studio",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of standard output.")] = None,
    labelling: Annotated[
        bool, typer.Option("--labelling", help="The labelling configuration (XML) for the tasks, instead of the tasks.")
    ] = False,
    link_hours: Annotated[
        float, typer.Option(min=0.01, max=168, help="How long the links to the clips are good for.")
    ] = 24.0,
    state: Annotated[StateName, typer.Option(help="As for `list`, where there is a clip.")] = "pending",
    product: Annotated[str | None, typer.Option(help="Only of this product.")] = None,
    check: Annotated[str | None, typer.Option(help="Only those that failed this check.")] = None,
    action: Annotated[Literal["reject", "review"] | None, typer.Option(help="As for `list`.")] = None,
    since: Annotated[str | None, typer.Option(help="Only rejected since: as for `list`.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most N, the oldest first.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write the rejected clips that wait as tasks for another tool: JSON for Label Studio.

    Each has a link to the clip, what the inspection says, and that again as a prediction.
    """
    from consumer.operate import review_label_studio as command
    from consumer.operate.review_records import ReviewError

    del form  # there is one
    with _ends():
        wanted = _filter(state, product, check, action, since, limit)
        text, count = command.export(settings_of(config), wanted, seconds=int(link_hours * 3600), config=labelling)
        if output is None:
            print(text, end="")
            return
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ReviewError(f"{output}: {error.strerror or error}", "usage") from error
        told = {"file": str(output), "clips": count}
        print(jsonlib.dumps(told, ensure_ascii=False) if json else f"{output}: {count} clips")


@app.command("import")
def review_import(
    file: Annotated[Path, typer.Argument(help="What Label Studio exported as JSON.")],
    reviewer: Annotated[
        str | None, typer.Option(help="Who decided; default: label-studio-N by the annotator's number.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Take decisions in that were made in Label Studio, each as `approve` or `reject` would.

    The newest annotation of a task counts. A reason that is not on the list stops it before anything is decided.
    """
    from consumer.operate import review
    from consumer.operate import review_label_studio as command

    with _ends():
        if not review.tell(command.take_in(settings_of(config), file, reviewer), json=json, say=_complain):
            raise typer.Exit(FAILED)


def _complain(text: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"skureel: {text}", markup=False)
