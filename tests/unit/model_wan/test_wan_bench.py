"""The decode benchmark's own arithmetic: what it counts, compares and judges. Nothing is timed here."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from model.wan.decode import StreamDecoder
from tests.bench.decode import QUICK, Shape, Taken, check_same, folded_bytes, report, show
from tests.bench.live import Live
from tests.unit.model_wan.vaes import WIDE, autoencoder


def test_live_bytes_are_those_of_tensors_that_are_still_held() -> None:
    """Views and tensors from before cost nothing, what is dropped costs nothing any more, the most is remembered."""
    before = torch.zeros(1000)
    with Live() as live:
        view = before[:10]
        assert live.peak == 0
        one = view + 1
        assert live.peak == 40
        for _ in range(5):
            one = one + 1
        assert live.peak == 80
        del one
        torch.zeros(5)
        assert live.peak == 80


def test_what_a_decoder_holds_besides_the_autoencoder_is_its_folded_kernels_and_gains() -> None:
    """Everything else is the autoencoder's own memory."""
    vae = autoencoder(**WIDE)
    ups = [block.upsampler.resample[1].weight for block in vae.decoder.up_blocks if block.upsampler is not None]
    gains = [weight for name, weight in vae.decoder.named_parameters() if name.endswith("gamma")]
    folded = sum(up.shape[0] * up.shape[1] * 16 for up in ups)
    assert folded_bytes(StreamDecoder(vae), vae) == 4 * (folded + sum(gain.numel() for gain in gains))


def test_different_pictures_are_no_comparison(tmp_path: Path) -> None:
    """The second side's frames must be the first one's, or there is no figure."""
    frames, clip = tmp_path / "frames.safetensors", torch.rand(2, 3, 4, 4)
    check_same(clip, frames)
    check_same(clip + 1e-6, frames)
    with pytest.raises(ValueError, match="frames differ by"):
        check_same(clip + 1e-3, frames)
    with pytest.raises(ValueError, match="frames differ by"):
        check_same(clip * float("nan"), frames)


def test_a_report_gives_medians_ratios_and_whether_aims_are_met() -> None:
    """Ours over stock, with an aim for each figure; what is shown to people says the same."""

    def taken(*seconds: float, mib: float) -> list[Taken]:
        return [Taken(seconds=each, cpu_seconds=2 * each, mib=mib, held_mib=3.0) for each in seconds]

    sides = {"stock": taken(10, 12, 20, mib=100), "ours": taken(6, 18, 3, mib=51)}
    found = report(QUICK, sides, {Shape(2, 6, 8): {"stock": 4 * 2**20, "ours": 2**20}})
    assert found["ratios"] == {
        "time, s": 0.5,
        "CPU, s": 0.5,
        "memory, MiB": 0.51,
        "counted at 128×96, 5 frames, MiB": 0.25,
    }
    assert [name for name, met in found["met"].items() if not met] == ["memory, MiB"]
    console = Console(width=140, record=True, file=io.StringIO())
    show(found, console)
    shown = console.export_text()
    assert "0.510" in shown
    assert "folded kernels: 3.0 MiB" in shown
