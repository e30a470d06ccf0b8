"""When things move: easing, the camera's closed path and the captions' timetable.

Pure functions of time; knows no pixels. Every movement ends where it began, so that a clip loops without a jump.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_ENTER = 0.45
"""Seconds a selling point takes to appear: slow enough to be gentle, quick enough not to be waited for."""
_MAKE_ROOM = (0.05, 0.75)
"""When the title, read alone at first, begins to make room for the points, and how long it takes; in seconds."""
_LEAD = 0.50
"""Seconds before the first point; by then the title has all but made room, so that the two never overlap."""
_LEAVE = (1.05, 0.40)
"""How long before the end the points begin to leave, and how long they take; in seconds."""
_RETURN = (0.80, 0.75)
"""The same for the title's way back, which ends where the clip starts again."""
_FULL_PACE = 3.5
"""Seconds of a clip that has room for all of these; a shorter one hurries, down to 0.6 of them."""
_STILL_BELOW = 2.0
"""Seconds under which nothing enters or leaves: there would be no time left to read it."""


def ease(progress: float) -> float:
    """Smooth from 0 to 1 with no jerk at either end (quintic smoothstep); clamped outside."""
    x = min(max(progress, 0.0), 1.0)
    return x * x * x * (x * (6 * x - 15) + 10)


@dataclass(frozen=True, slots=True)
class Timetable:
    """When each selling point is visible in a clip of so many seconds."""

    duration: float
    points: int

    @property
    def still(self) -> bool:
        """True when the clip is too short for entrances."""
        return self.duration < _STILL_BELOW

    @property
    def _pace(self) -> float:
        return min(1.0, max(0.6, self.duration / _FULL_PACE))

    @property
    def _stagger(self) -> float:
        # All points are on by 45 % of the clip, so that more than a quarter of it is left for reading them together.
        spare = 0.45 * self.duration - (_LEAD + _ENTER) * self._pace
        return min(0.6, max(0.12, spare / max(self.points - 1, 1)))

    def _present(self, seconds: float, enter: tuple[float, float], leave: tuple[float, float]) -> float:
        entered = (seconds - enter[0]) / (enter[1] * self._pace)
        left = (seconds - (self.duration - leave[0] * self._pace)) / (leave[1] * self._pace)
        return ease(entered) * (1.0 - ease(left))

    def point(self, index: int, seconds: float) -> float:
        """How much of a point is there, 0…1, already eased."""
        if self.still:
            return 1.0
        return self._present(seconds, (_LEAD * self._pace + index * self._stagger, _ENTER), _LEAVE)

    def gathered(self, seconds: float) -> float:
        """How far the title has made room for the points, 0 (alone) … 1 (all together), already eased."""
        if self.still or not self.points:
            return 1.0
        return self._present(seconds, (_MAKE_ROOM[0] * self._pace, _MAKE_ROOM[1]), _RETURN)


@dataclass(frozen=True, slots=True)
class Camera:
    """A slow push-in and back on an ellipse: zoom and pan are a quarter turn apart, so the picture never stands still.

    ``reach`` is the most the zoom adds, ``pan`` the most the view moves as a share of its own size.
    """

    duration: float
    angle: float
    """Direction of the pan in radians."""

    @property
    def reach(self) -> float:
        """Push-in at the far end: 2 % a second, 8 % at most."""
        return min(0.08, 0.02 * self.duration)

    @property
    def pan(self) -> float:
        """Sideways travel either way: 0.6 % of the view a second, 2.2 % at most."""
        return min(PAN_LIMIT, 0.006 * self.duration)

    def at(self, seconds: float) -> tuple[float, float, float]:
        """Zoom (1 and more) and the view's shift in x and y, as shares of its size."""
        phase = 2 * math.pi * seconds / self.duration
        zoom = 1.0 + self.reach * (1.0 - math.cos(phase)) / 2
        shift = self.pan * math.sin(phase)
        return zoom, shift * math.cos(self.angle), shift * math.sin(self.angle)


PAN_LIMIT = 0.022
"""No view moves further from its centre than this share of its size."""
