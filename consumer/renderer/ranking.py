"""Which of several clips that passed is the best: by how far each stays from the limits. Pure; looks at no pixel."""

from __future__ import annotations

from collections.abc import Mapping

from model.inspect import Policy, Rule

ALIGNMENT = "alignment"
"""The check that tells whether the picture is of this product, where there is a model for it."""


def rank(scores: Mapping[str, float], policy: Policy) -> tuple[float, ...]:
    """Greater is better: the alignment margin where a model gave one, then the least headroom, then the mean one.

    A clip is as good as its worst score, so the least headroom comes before the mean. CLIP-like margins say whether it
    is the right thing and colour, which is worth more than the last bit of smoothness. Checks that only warn, and
    scores the policy has no rule for, are not looked at.
    """
    room = [
        headroom(score, policy.rules[check])
        for check, score in scores.items()
        if check != ALIGNMENT and check in policy.rules and policy.rules[check].action in {"reject", "review"}
    ]
    least, mean = (min(room), sum(room) / len(room)) if room else (0.0, 0.0)
    return (scores.get(ALIGNMENT, 0.0), least, mean)


def headroom(score: float, rule: Rule) -> float:
    """How far a score stays on the right side of its limit: 0 at the limit, 1 where nothing could be better.

    ``(limit − score) / |limit|``, or ``(score − limit) / |limit|`` where high scores are good, cut to 0…1. Where the
    limit is 0 the score itself is the distance.
    """
    distance = score - rule.limit if rule.least else rule.limit - score
    return min(1.0, max(0.0, distance / abs(rule.limit) if rule.limit else distance))
