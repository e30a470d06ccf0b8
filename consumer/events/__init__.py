"""The events as typed values, and their shape as Avro writes and reads it.

Field meanings are in ``schemas/*.avsc``, which these modules follow name by name. They validate what a schema cannot
say (lengths, empty ids); they know no framing, no topic and no broker.
"""

from consumer.events.announcement import Clip, Lineage, Reason, Review, VideoReady, VideoRejected
from consumer.events.common import (
    MAX_ID,
    MAX_ITEMS,
    MAX_TEXT,
    Avro,
    Cause,
    EventError,
    Work,
    checked_id,
    checked_items,
    checked_text,
    utc_now,
)
from consumer.events.product import Image, Price, Product, Tier
from consumer.events.promo import Creative, EndCardCreative, Promo, RibbonCreative, Scope
from consumer.events.request import ClipRequest, ProductColour, recipe_from_avro, recipe_to_avro

__all__ = [
    "MAX_ID",
    "MAX_ITEMS",
    "MAX_TEXT",
    "Avro",
    "Cause",
    "Clip",
    "ClipRequest",
    "Creative",
    "EndCardCreative",
    "EventError",
    "Image",
    "Lineage",
    "Price",
    "Product",
    "ProductColour",
    "Promo",
    "Reason",
    "Review",
    "RibbonCreative",
    "Scope",
    "Tier",
    "VideoReady",
    "VideoRejected",
    "Work",
    "checked_id",
    "checked_items",
    "checked_text",
    "recipe_from_avro",
    "recipe_to_avro",
    "utc_now",
]
