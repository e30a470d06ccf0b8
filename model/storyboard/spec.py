"""What a planner must know of the storyboard engine; imports no imaging library."""

from __future__ import annotations

from model.engine import EngineSpec

SPEC = EngineSpec(name="storyboard", revision="2", generative=False, captions=True, photos=True)
"""Raise the revision whenever the same scene would give other frames."""
