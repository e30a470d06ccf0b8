"""``torch.compile`` as the engine wants it: whole graphs, shapes counted for one function alone. Knows no model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

SHAPES = 64
"""Graphs of one function before the compiler gives up: numbers of channels and frames, modes, and one clip or more."""


def compiled(
    function: Callable[..., Any], backend: str | Callable[..., Any] = "inductor", *, dynamic: bool = False
) -> Any:
    """The function, compiled when it is first called; one that the compiler cannot take whole is an error.

    ``dynamic``: one graph for all sizes instead of one for each. Where PyTorch is too old to count shapes for
    one function alone, the limit of the process is raised.
    """
    settings: dict[str, Any] = {"fullgraph": True, "dynamic": dynamic, "backend": backend}
    if "recompile_limit" in inspect.signature(torch.compile).parameters:
        settings |= {"recompile_limit": SHAPES, "isolate_recompiles": True}
        return torch.compile(function, **settings)
    torch._dynamo.config.recompile_limit = max(SHAPES, torch._dynamo.config.recompile_limit)  # noqa: SLF001 - no other door
    return torch.compile(function, **settings)
