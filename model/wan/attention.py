"""Which of PyTorch's attention kernels the transformer uses: a choice by device, made around its calls. Knows no model.

The flags are the process's own, and PyTorch reads them when a call is made (or compiled), so they are set around each
forward and put back behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

Attention = Literal["auto", "torch", "cudnn", "flash"]
"""``torch``: PyTorch's own choice; the others come first in its order, and what they cannot do falls to the rest."""

_REST = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)
_FIRST = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION}
HOPPER = 9
"""Compute capability from which cuDNN has kernels of its own that are ahead of the others'."""


def chosen(wanted: Attention, device: torch.device) -> Attention:
    """What ``auto`` means on a device."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= HOPPER:
        return "cudnn"
    return "torch"


@contextmanager
def preferring(attention: Attention) -> Iterator[None]:
    """Within the block, attention is computed by this kernel where it can be."""
    first = _FIRST.get(attention)
    if first is None:
        yield
        return
    with sdpa_kernel(list(dict.fromkeys((first, *_REST))), set_priority=True):
        yield
