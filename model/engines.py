"""Engines by name. Importing this imports no engine; opening one imports that one alone."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from model.engine import Engine, EngineError

BUILT_IN = {"storyboard": "model.storyboard:Storyboard"}
"""Name → MODULE:FACTORY."""


def open_engine(name: str) -> Engine:
    """A new engine, not yet started. ``name`` is a built-in one or MODULE:FACTORY.

    Raises EngineError saying what is wrong with the name.
    """
    path = BUILT_IN.get(name, name)
    module_name, colon, factory_name = path.partition(":")
    if not colon:
        known = ", ".join(sorted(BUILT_IN))
        raise EngineError(f"engine {name!r}: neither one of {known} nor MODULE:FACTORY", retryable=False)
    try:
        factory: Callable[[], Engine] = getattr(importlib.import_module(module_name), factory_name)
    except (ImportError, AttributeError) as error:
        raise EngineError(f"engine {name!r}: {error}", retryable=False) from error
    return factory()
