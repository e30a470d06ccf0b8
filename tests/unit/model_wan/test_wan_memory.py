"""Laws of memory: the fastest mode that fits is chosen, and parts are where the mode says."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.wan.architecture import build
from model.wan.memory import (
    GIB,
    MemoryShortError,
    Mode,
    Need,
    Placement,
    choose,
    decode_bytes,
    denoise_bytes,
    free_bytes,
    kernel_bytes,
    weight_bytes,
)

FULL = Need(
    text=int(11.4e9),
    transformer=int(10.0e9),
    vae=int(2.8e9),
    denoise=denoise_bytes(12_090, 3072, 14336, 1),
    decode=decode_bytes(832 * 480, frames_at_once=4, itemsize=2),
)
"""The real model at 832x480, 121 frames, decoded in bfloat16."""

Part = Literal["text", "transformer", "vae"]
MODES: tuple[Mode, ...] = ("resident", "evict", "offload")


@pytest.mark.parametrize(
    ("gib", "mode"), [(140, "resident"), (78, "resident"), (47, "resident"), (23, "evict"), (15.5, "offload")]
)
def test_the_real_model_on_the_cards_there_are(gib: float, mode: str) -> None:
    """48 GB and more keep everything, 24 GB let the text encoder take turns, 16 GB hold one part at a time."""
    choice = choose(FULL, int(gib * GIB))
    assert choice.mode == mode
    assert f"{gib:.1f} are free" in choice.reason


def test_too_small_a_card_is_told() -> None:
    """Where not even one part at a time fits, the error says what is needed and what there is."""
    with pytest.raises(MemoryShortError, match=r"offload needs 1\d\.\d GiB and 8\.0 are free: use a larger device"):
        choose(FULL, 8 * GIB)


def test_a_mode_that_is_asked_for_is_not_replaced() -> None:
    """The operator's mode is kept where it fits and refused where it does not."""
    assert choose(FULL, 140 * GIB, "offload").mode == "offload"
    with pytest.raises(MemoryShortError, match="resident needs"):
        choose(FULL, 24 * GIB, "resident")


needs = st.builds(
    Need,
    text=st.integers(0, 10**11),
    transformer=st.integers(0, 10**11),
    vae=st.integers(0, 10**11),
    denoise=st.integers(0, 10**11),
    decode=st.integers(0, 10**11),
)


@given(need=needs)
def test_modes_are_in_order(need: Need) -> None:
    """A slower mode never needs more than a faster one, nor work after the other more than both at once."""
    assert need.of("offload") <= need.of("evict") <= need.of("resident")
    for mode in MODES:
        assert need.of(mode) <= need.of(mode, overlap=True)


@given(need=needs, free=st.integers(0, 10**12))
def test_what_is_chosen_fits(need: Need, free: int) -> None:
    """Whatever is chosen fits into what is free, and nothing faster would."""
    try:
        choice = choose(need, free)
    except MemoryShortError:
        assert need.of("offload") > free
        return
    assert need.of(choice.mode, overlap=choice.overlap) <= free
    faster = [(mode, both) for mode in MODES[: MODES.index(choice.mode)] for both in (True, False)]
    if not choice.overlap and choice.mode != "offload":
        faster.append((choice.mode, True))
    assert all(need.of(mode, overlap=both) > free for mode, both in faster)


def test_without_room_for_both_decoding_comes_after_denoising() -> None:
    """Rather than to move parts about; and where the profile wants no overlap, there is none however much is free."""
    between = (FULL.of("resident") + FULL.of("resident", overlap=True)) // 2
    assert choose(FULL, between)[:2] == ("resident", False)
    assert choose(FULL, 140 * GIB)[:2] == ("resident", True)
    assert choose(FULL, 140 * GIB, overlap=False)[:2] == ("resident", False)


class Moved(torch.nn.Module):
    """Notes where it was sent."""

    def __init__(self, name: str, log: list[str]) -> None:
        super().__init__()
        self.name, self.log = name, log

    def to(self, device: Any) -> Moved:  # type: ignore[override]
        """Only noted: there is one device here."""
        self.log.append(f"{self.name}→{torch.device(device).type}")
        return self


def placed(mode: Literal["resident", "evict", "offload"]) -> tuple[Placement, list[str]]:
    """A placement on a device that nothing is really sent to, and what was sent where."""
    log: list[str] = []
    parts: dict[Part, Any] = {
        "text": Moved("text", log),
        "transformer": Moved("transformer", log),
        "vae": Moved("vae", log),
    }
    return Placement(parts, torch.device("meta"), mode), log


BATCH: tuple[Part, ...] = ("text", "transformer", "vae", "transformer", "vae")


def test_resident_moves_once() -> None:
    """Everything comes at the start and stays."""
    placement, log = placed("resident")
    placement.settle()
    for part in BATCH * 2:
        placement.use(part)
    assert log == ["text→meta", "transformer→meta", "vae→meta"]


def test_evict_lets_text_encoder_and_transformer_take_turns() -> None:
    """The VAE stays; the other two are never there together, and known prompts cost no move."""
    placement, log = placed("evict")
    placement.settle()
    for part in BATCH:
        placement.use(part)
    assert log == ["vae→meta", "text→meta", "text→cpu", "transformer→meta"]
    for part in BATCH[1:]:
        placement.use(part)
    assert len(log) == 4


def test_offload_holds_one_part() -> None:
    """Each part makes room for the next."""
    placement, log = placed("offload")
    placement.settle()
    there: set[str] = set()
    for part in BATCH:
        placement.use(part)
        while log:
            name, place = log.pop(0).split("→")
            (there.add if place == "meta" else there.discard)(name)
        assert there == {part}


def test_figures_of_this_machine() -> None:
    """Weights are counted in bytes of their own types; some memory is free."""
    module = torch.nn.Linear(10, 10, bias=False)
    assert weight_bytes(module) == 400
    assert weight_bytes(module.to(torch.bfloat16)) == 200
    assert free_bytes(torch.device("cpu")) > 2**20


def test_kernels_that_decoding_keeps_beside_the_weights() -> None:
    """At full size in bfloat16: 1.0 GiB of copies, and 0.7 for pairs; in float32 only the latter, twice as large."""
    decoder = build("vae").decoder
    assert kernel_bytes(decoder, itemsize=4, pairs=False) == 0
    assert kernel_bytes(decoder, itemsize=2, pairs=False) == 2 * 555_049_228
    assert kernel_bytes(decoder, itemsize=2, pairs=True) == pytest.approx((2 + 4 / 3) * 555_049_228)
    assert kernel_bytes(decoder, itemsize=4, pairs=True) == pytest.approx(8 / 3 * 555_049_228)
