"""One function a thing, drawn in a given colour; ``SHAPES`` finds it by a tag. They know no product."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from consumer.operate.samples.canvas import Canvas
from consumer.operate.samples.palette import RGB
from consumer.operate.samples.shapes.bags import backpack, gift, suitcase
from consumer.operate.samples.shapes.care import honey, lipstick, serum
from consumer.operate.samples.shapes.gadgets import headphones, lamp, speaker
from consumer.operate.samples.shapes.kitchen import kettle, mug
from consumer.operate.samples.shapes.play import blocks, car, mat
from consumer.operate.samples.shapes.precious import ring, watch
from consumer.operate.samples.shapes.wear import ball, sneaker, tee

Draw = Callable[[Canvas, RGB], None]

SHAPES: Mapping[str, Draw] = MappingProxyType(
    {
        "backpack": backpack,
        "basketball": ball,
        "blocks": blocks,
        "gift": gift,
        "headphones": headphones,
        "honey": honey,
        "kettle": kettle,
        "lamp": lamp,
        "lipstick": lipstick,
        "mug": mug,
        "ring": ring,
        "serum": serum,
        "sneaker": sneaker,
        "speaker": speaker,
        "suitcase": suitcase,
        "t-shirt": tee,
        "toy-car": car,
        "watch": watch,
        "yoga-mat": mat,
    }
)
"""By tag."""
