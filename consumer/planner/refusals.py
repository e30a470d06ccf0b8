"""What there is to say of a product whose words are refused: a ``video-rejected`` in place of a request.

It finds nothing in words itself; see ``prompting.lint`` for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from consumer.events import Cause, EventError, Promo, Reason, VideoRejected
from consumer.planner.prompting.lint import Finding, Linter
from consumer.planner.prompting.rulebook import Severity
from model.recipe import Digests, digest

REFUSED = "REFUSE"
"""The work of a plan that asks for none, because the words are refused."""


class RefusedError(ValueError):
    """Raised when a product cannot be planned because its words are refused."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(f"{finding.check}: {finding.message}" for finding in findings))


def check_wording(promo: Promo, rules: Linter) -> None:
    """Raises EventError naming the field and the rule where a promotion's words are refused. It may always end."""
    refused = rules.refusing(rules.promo(promo))
    if refused:
        first = refused[0]
        more = f"; and {len(refused) - 1} more" if len(refused) > 1 else ""
        raise EventError(first.field, f"{first.check}: {first.told}{more}")


def name_of(findings: Sequence[Finding]) -> Digests:
    """What a refusal is known by, as a recipe is by its digests: the same findings are not told twice."""
    found = [[finding.rule, finding.field, finding.found] for finding in findings]
    # No layer of a clip: empty names are those of nothing.
    return Digests("", "", digest(["refused", found]))


def rejection(
    product_id: str,
    variant: str,
    revision: int,
    findings: Sequence[Finding],
    *,
    cause: Cause,
    rules: str,
    now: datetime,
) -> VideoRejected:
    """The event. Its id is that of any rejection of this plan number: readers may dedupe by it."""
    return VideoRejected(
        event_id=digest(["rejected", product_id, variant, revision])[:32],
        occurred_at=now,
        product_id=product_id,
        variant=variant,
        revision=revision,
        cause=cause,
        reasons=tuple(Reason(check=finding.check, message=finding.message) for finding in findings),
        attempts=0,
        inspection_policy=rules,
        action="REVIEW" if all(finding.severity is Severity.REVIEW for finding in findings) else "REJECT",
    )
