"""Laws of what the demo says of its promotions: estimates only where somebody estimated, stills of the last moment."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from consumer import settings
from consumer.operate import samples
from consumer.operate.demo_promos import name_of
from consumer.operate.demo_table import gpu_seconds
from consumer.operate.stills import last_picture
from consumer.planner.promotions import rank, touches
from model.encode import encode_base


def test_gpu_time_is_estimated_only_where_somebody_said_what_a_clip_takes() -> None:
    """The setting's default is nobody's measurement."""
    assert gpu_seconds(settings.load(), 3) is None
    assert gpu_seconds(settings.load(planner={"gpu_seconds_per_clip": 12.5}), 3) == pytest.approx(37.5)


def test_the_promotions_are_a_ribbon_over_one_category_that_wins_over_an_end_card_over_all() -> None:
    """So that every sample product shows exactly one of them, in its own language."""
    ribbon, card = samples.promos()
    assert (name_of(ribbon), name_of(card)) == ("ribbon over appliances", "end card over all")
    assert rank(ribbon) > rank(card)
    products = samples.products()
    assert 0 < sum(touches(ribbon.scope, product) for product in products) < len(products)
    assert all(touches(card.scope, product) for product in products)
    assert ribbon.creative.ribbon is not None
    assert card.creative.end_card is not None
    assert set(ribbon.creative.ribbon.text) == set(card.creative.end_card.headline) == {"en", "zh"}


def test_a_still_is_the_last_picture() -> None:
    """Whatever came before it, key frames in between included."""
    levels = np.linspace(40, 200, 60).astype(np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (60, 48, 64, 3)).copy()
    shown = np.asarray(Image.open(io.BytesIO(last_picture(encode_base(frames, 24)))).convert("RGB"))
    assert shown.shape == (48, 64, 3)
    assert abs(int(shown.mean()) - 200) <= 3
