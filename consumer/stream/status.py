"""What the loop says about itself: its state by name, and a snapshot for health checks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """Where the loop is in its life."""

    STARTING = "starting"
    """Ending what a former life left open; not in the group yet."""
    RUNNING = "running"
    PAUSED = "paused"
    """Polling on without fetching: the worker has no room."""
    DRAINING = "draining"
    """Nothing new is taken; what was begun is finished and committed."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Status:
    """The loop at one moment. Seconds; ``last_*`` on the monotonic clock."""

    role: str
    state: State
    assigned: int
    """Partitions held."""
    in_flight: int
    """Records taken and not committed."""
    oldest: float
    """Age of the oldest of them; 0 when there is none."""
    last_poll: float
    last_progress: float
    """When something was last committed, or nothing waited."""
    unavailable: tuple[str, ...]
    """Parts that are out just now."""
    breaker: str | None
    """Why the breaker lets nothing, or only a probe, through."""
    since: float
    """When the state was entered; monotonic."""
    error: str | None
    """Why it stopped, if it failed."""
