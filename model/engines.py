"""Engines by name. Importing this imports no engine; opening one imports that one alone."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from model.engine import Engine, EngineError

BUILT_IN = {"storyboard": "model.storyboard.engine:Storyboard", "wan": "model.wan.engine:Wan"}
"""Name → MODULE:FACTORY."""


def open_engine(name: str, *options: Any) -> Engine:
    """A new engine, not yet started. ``name`` is a built-in one or MODULE:FACTORY.

    ``options`` are what its factory is called with: a WanOptions for wan, nothing for the others.

    Raises EngineError saying what is wrong with the name.
    """
    path = BUILT_IN.get(name, name)
    module_name, colon, factory_name = path.partition(":")
    if not (colon and module_name and factory_name):
        known = ", ".join(sorted(BUILT_IN))
        raise EngineError(f"engine {name!r}: neither one of {known} nor MODULE:FACTORY", retryable=False)
    try:
        factory: Callable[..., Engine] = getattr(importlib.import_module(module_name), factory_name)
    except Exception as error:
        # Whatever a module of somebody else's raises while it is imported, the name is what has to change.
        raise EngineError(f"engine {name!r}: {type(error).__name__}: {error}", retryable=False) from error
    try:
        engine = factory(*options)
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(
            f"engine {name!r}: calling {factory_name} with {_counted(options)} gave {type(error).__name__}: {error}",
            retryable=False,
        ) from error
    if missing := [part for part in ("spec", "batch_size", "start", "render", "close") if not hasattr(engine, part)]:
        raise EngineError(
            f"engine {name!r}: {factory_name} gave {type(engine).__name__}, which has no {', '.join(missing)}: "
            "no engine (see model.engine)",
            retryable=False,
        )
    return engine


def _counted(options: tuple[Any, ...]) -> str:
    return f"{len(options)} arguments" if options else "no arguments"
