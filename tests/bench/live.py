"""Counts the bytes that live tensors hold, operation by operation: exact, the same on every machine, and on meta too.

What a library allocates inside one operation is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch leaves it untyped
    """While entered: ``peak`` is the most bytes held at once by tensors made since then."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._held: dict[int, tuple[Any, int]] = {}
        """By storage: a weak reference to it, and its bytes."""

    def __enter__(self) -> Self:
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run it, then count."""
        given = {_storage(leaf)._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and _storage(leaf)._cdata not in given:
                storage = _storage(leaf)
                seen: Any = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                self._held.setdefault(storage._cdata, (seen, storage.nbytes()))
        self._held = {key: each for key, each in self._held.items() if not each[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self._held.values()))
        return result


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
