"""The work of the loop benchmark, the same code on both sides: a decoded product in, a request to be encoded out."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from tests.engines import SPEC

WIDTH, HEIGHT, FRAMES, FPS = 160, 120, 24, 24
"""Pixels and frames: small, so that encoding clips does not become the measure of two cores."""


def request_of(product: dict[str, Any]) -> dict[str, Any]:
    """A ``clip-render`` event. No clock and no chance in it: equal input gives equal bytes."""
    captions = [product["name"], *product["selling_points"]]
    return {
        "request_id": f"{product['product_id']}-{product['revision']}",
        "product_id": product["product_id"],
        "variant": "default",
        "revision": 1,
        "work": "RENDER",
        "recipe": {
            "scene": {
                "mode": "TEXT",
                "prompt": f"{product['name']}, {product['colour']}, {product['category']}, studio light, slow turn",
                "negative_prompt": "text, watermark, blurred",
                "photo": None,
                "captions": captions,
                "locale": product["locale"],
                "seed": crc32(product["product_id"].encode()),
                "width": WIDTH,
                "height": HEIGHT,
                "frames": FRAMES,
                "fps": FPS,
                "steps": SPEC.steps,
                "guidance": SPEC.guidance,
                "engine": SPEC.name,
                "engine_revision": SPEC.revision,
            },
            "overlays": {
                "width": WIDTH,
                "height": HEIGHT,
                "ribbon": None,
                "label": None,
                "codec": "h264",
                "crf": 21,
                "preset": "veryfast",
                "gop": 24,
            },
            "end_card": None,
            "producer": None,
        },
        "cause": {
            "event_id": product["event_id"],
            "product_revision": product["revision"],
            "promo_id": None,
            "promo_revision": None,
        },
        "requested_at": product["occurred_at"],
    }
