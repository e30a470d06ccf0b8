"""One callback for several: how the commit of one settlement tells everybody who had a part in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def together(callbacks: Sequence[Callable[[], None]]) -> Callable[[], None] | None:
    """One callback for several; None for none."""
    if len(callbacks) < 2:
        return callbacks[0] if callbacks else None

    def call() -> None:
        for callback in callbacks:
            callback()

    return call
