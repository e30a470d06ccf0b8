"""A breaker for each template version: one that is rejected far more often than usual is not rendered for a while.

Judges by first attempts alone, as they come out of the inspection. What its products get meanwhile is decided
elsewhere. In memory: a process that starts anew learns anew.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

import structlog

from consumer.observe import metrics as m

log = structlog.get_logger(__name__)

LONGEST = 16
"""So many times the first pause is the longest: it doubles with every probe that fails."""
UNKNOWN_BASELINE = 0.1
"""The share taken for usual while too few clips were seen to know better."""
SIGMAS = 4.0
"""Standard deviations of a binomial count by which rejections must exceed what is usual: with few clips twice the share
is often chance, and the question is asked after every clip."""
EARLIER = 4
"""So many windows before the present one tell what is usual."""
TEMPLATES = 1024
"""Versions remembered: templates are files, but requests come from outside. The one not heard of for longest goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """When one opens, and for how long. Times in seconds."""

    enabled: bool = True
    window: int = 200
    """First attempts that the present share of rejections is taken from."""
    minimum: int = 20
    """First attempts before a share says anything."""
    factor: float = 2.0
    """It opens at so many times the usual share."""
    baseline: float | None = None
    """The usual share; None: learned from the attempts before the window."""
    floor: float = 0.1
    """The least share taken for usual, so that a template which never fails does not open with its first rejection."""
    pause: float = 300.0
    """How long it stays open at first, and how long a probe may take."""
    probe: int = 10
    """First attempts that are let through to see whether it is over."""
    action: Literal["fallback", "reject"] = "fallback"
    """What its clips come to while it is open: the next rung at once, where there is one, or a rejection."""


class _State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(slots=True)
class _Version:
    """What is known of one template version."""

    state: _State = _State.CLOSED
    recent: deque[bool] = field(default_factory=deque)
    """Whether each of the last first attempts was rejected, oldest first; while half open, those of the probe."""
    earlier: deque[bool] = field(default_factory=deque)
    """Those before them."""
    usual: float = 0.0
    """The share that was usual when it opened."""
    let_through: int = 0
    pause: float = 0.0
    until: float = 0.0
    why: str = ""


class TemplateBreakers:
    """Thread-safe. ``admits`` is asked before a first attempt, ``note`` told what became of it."""

    def __init__(self, rules: BreakerRules, metrics: m.Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules, self._metrics, self._clock = rules, metrics, clock
        self._lock = threading.Lock()
        self._versions: dict[str, _Version] = {}

    def admits(self, template: str | None) -> bool:
        """Whether a clip of this template (``NAME@VERSION``) may be rendered as planned now; takes a probe's place."""
        if template is None or not self._rules.enabled:
            return True
        with self._lock:
            version = self._of(template)
            if version.state is _State.OPEN and self._clock() >= version.until:
                self._half_open(template, version)
            if version.state is _State.CLOSED:
                return True
            if version.state is _State.HALF_OPEN:
                if self._clock() >= version.until:  # what was let through came to nothing: superseded, or handed back
                    self._half_open(template, version)
                if version.let_through < self._rules.probe:
                    version.let_through += 1
                    return True
            return False

    def note(self, template: str | None, *, rejected: bool) -> None:
        """The first attempt at a clip of this template was inspected."""
        if template is None or not self._rules.enabled:
            return
        with self._lock:
            version = self._of(template)
            if version.state is _State.OPEN:
                return  # begun before it opened
            version.recent.append(rejected)
            if version.state is _State.HALF_OPEN:
                if len(version.recent) >= self._rules.probe:
                    self._judge(template, version)
                return
            while len(version.recent) > self._rules.window:
                version.earlier.append(version.recent.popleft())
            while len(version.earlier) > EARLIER * self._rules.window:
                version.earlier.popleft()
            version.usual = self._usual(version)
            enough = len(version.recent) >= self._rules.minimum
            if enough and self._too_many(version) and self._no_chance(version):
                self._open(template, version, self._rules.pause)

    def notes(self) -> dict[str, str]:
        """Templates that are out of use, and why and until when."""
        with self._lock:
            return {
                template: f"{version.why}; {self._next(version)}"
                for template, version in sorted(self._versions.items())
                if version.state is not _State.CLOSED
            }

    def _next(self, version: _Version) -> str:
        if version.state is _State.HALF_OPEN:
            return f"trying {self._rules.probe} clips"
        return f"next try in {max(0.0, version.until - self._clock()):.0f} s"

    def _of(self, template: str) -> _Version:
        found = self._versions.pop(template, None) or _Version()
        self._versions[template] = found  # the last heard of is the last to go
        while len(self._versions) > TEMPLATES:
            gone = next(iter(self._versions))
            if self._versions.pop(gone).state is not _State.CLOSED:
                self._metrics.set(m.TEMPLATE_BREAKER, 0.0, template=gone)
        return found

    def _usual(self, version: _Version) -> float:
        """The share of rejections that is usual, at least the floor."""
        if self._rules.baseline is not None:
            return max(self._rules.floor, self._rules.baseline)
        known = len(version.earlier) >= self._rules.minimum
        learned = sum(version.earlier) / len(version.earlier) if known else UNKNOWN_BASELINE
        return max(self._rules.floor, learned)

    def _too_many(self, version: _Version) -> bool:
        # Twice of half is all: beyond that no share could open it.
        limit = min(1.0, self._rules.factor * version.usual)
        return sum(version.recent) >= limit * len(version.recent)

    @staticmethod
    def _no_chance(version: _Version) -> bool:
        clips, usual = len(version.recent), version.usual
        return sum(version.recent) - clips * usual >= SIGMAS * math.sqrt(clips * usual * (1 - usual))

    def _judge(self, template: str, version: _Version) -> None:
        """The probe is over."""
        if self._too_many(version):
            self._open(template, version, min(version.pause * 2, LONGEST * self._rules.pause))
            return
        log.info("template back in use", template=template, clips=len(version.recent), rejected=sum(version.recent))
        self._metrics.set(m.TEMPLATE_BREAKER, 0.0, template=template)
        version.recent.clear()
        version.state = _State.CLOSED

    def _open(self, template: str, version: _Version, pause: float) -> None:
        rejected, clips = sum(version.recent), len(version.recent)
        version.why = f"{rejected} of {clips} first attempts rejected, {version.usual:.0%} are usual"
        log.error("template out of use", template=template, why=version.why, pause=pause, action=self._rules.action)
        self._metrics.inc(m.TEMPLATE_OPENINGS, template=template)
        self._metrics.set(m.TEMPLATE_BREAKER, 1.0, template=template)
        version.pause, version.until = pause, self._clock() + pause
        version.recent.clear()
        version.state = _State.OPEN

    def _half_open(self, template: str, version: _Version) -> None:
        log.info("template on probe", template=template, clips=self._rules.probe)
        version.until = self._clock() + self._rules.pause
        version.recent.clear()
        version.let_through = 0
        version.state = _State.HALF_OPEN
