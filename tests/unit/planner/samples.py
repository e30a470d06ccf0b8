"""Products, engines and plannings that the planner's tests share, and hypothesis strategies for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from hypothesis import strategies as st

from consumer.events import Creative, EndCardCreative, Image, Price, Product, Promo, RibbonCreative, Scope, Tier
from consumer.planner.recipes import Planning
from model.engine import EngineSpec

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)

STORYBOARD = EngineSpec(name="storyboard", revision="1", generative=False, captions=True, photos=True)
DREAMER = EngineSpec(
    name="dreamer", revision="7", generative=True, captions=False, photos=False, steps=30, guidance=5.0
)
SIZES: dict[str, Any] = {"width": 640, "height": 480, "frames": 96, "fps": 24}


def planning(engine: EngineSpec = STORYBOARD, **changes: Any) -> Planning:
    """A planning; ``changes`` are its fields."""
    return Planning(engine=engine, **(SIZES | {"label": "AI", "producer": "P" * 27} | changes))


def product(product_id: str = "kettle-1", revision: int = 1, **changes: Any) -> Product:
    """A product; ``changes`` are its fields."""
    values: dict[str, Any] = {
        "event_id": f"event-{product_id}-{revision}",
        "occurred_at": NOW,
        "name": "Cordless kettle",
        "category": "appliances",
        "brand": "Acme",
        "colour": "black",
        "selling_points": ("Boils in 90 seconds", "Quiet"),
        "attributes": {"material": "steel"},
        "tags": ("new", "kitchen"),
        "images": (Image(url="https://images.example/kettle.png"),),
        "price": Price(amount=Decimal("49.9900"), currency="EUR"),
        "tier": Tier.HOT,
    }
    return Product(product_id=product_id, revision=revision, **(values | changes))


RIBBON = Creative(ribbon=RibbonCreative(text={"en": "20% off", "zh-CN": "八折"}))
CARD = Creative(end_card=EndCardCreative(headline={"en": "Spring sale", "zh-CN": "春季特惠"}))
PHRASE = Creative(prompt_phrases={"en": "falling cherry blossoms", "zh-CN": "樱花飘落"})
EVERYTHING = Scope(all=True)


def promo(promo_id: str = "spring", revision: int = 1, **changes: Any) -> Promo:
    """A promo over everything with a ribbon; ``changes`` are its fields."""
    values: dict[str, Any] = {
        "event_id": f"event-{promo_id}-{revision}",
        "occurred_at": NOW,
        "status": "ACTIVE",
        "scope": EVERYTHING,
        "creative": RIBBON,
    }
    return Promo(promo_id=promo_id, revision=revision, **(values | changes))


@dataclass(frozen=True, slots=True)
class Said:
    """Composed words, plain."""

    prompt: str
    negative_prompt: str = "blur"
    captions: tuple[str, ...] = ()
    locale: str = "en"
    calm_prompt: str | None = None
    source: str | None = None


class NameOnly:
    """A composer whose words say the product's name and nothing else, so that a test decides what a change is."""

    def compose(self, product: Product, mode: Literal["text", "image"] = "text") -> Said:
        """The words."""
        return Said(f"{product.name}, {mode}", captions=(product.name,))


# Any text that Avro can carry: everything but surrogates, NUL, line ends and direction marks among it.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ids = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cn", "Co", "Cf"]), min_size=1, max_size=20
)
images = st.lists(
    st.builds(
        Image,
        url=texts,
        role=st.sampled_from(["MAIN", "DETAIL", "LIFESTYLE", "OTHER"]),
        sha256=st.none() | st.sampled_from(["ab" * 32, "AB" * 32]),
    ),
    max_size=3,
).map(tuple)
prices = st.none() | st.builds(
    Price,
    amount=st.decimals(min_value=0, max_value=10**9, places=4, allow_nan=False, allow_infinity=False),
    currency=st.sampled_from(["EUR", "CNY"]),
)
products = st.builds(
    Product,
    event_id=ids,
    occurred_at=st.datetimes(timezones=st.just(UTC)).map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)),
    product_id=ids,
    revision=st.integers(0, 2**63 - 1),
    name=texts.filter(lambda text: bool(text.strip())),
    category=texts,
    locale=st.sampled_from(["en", "zh-CN", "", "xx\0"]),
    brand=st.none() | texts.filter(bool),
    colour=st.none() | texts.filter(bool),
    selling_points=st.lists(texts, max_size=4).map(tuple),
    attributes=st.dictionaries(texts, texts, max_size=3),
    tags=st.lists(texts, max_size=3).map(tuple),
    images=images,
    price=prices,
    tier=st.sampled_from(Tier),
)
said = st.builds(Said, texts, texts, st.lists(texts, max_size=3).map(tuple), st.sampled_from(["en", "zh-CN"]))
engines = st.builds(
    EngineSpec,
    name=st.sampled_from(["storyboard", "wan"]),
    revision=st.sampled_from(["1", "2"]),
    generative=st.booleans(),
    captions=st.booleans(),
    photos=st.booleans(),
    steps=st.integers(0, 50),
    guidance=st.floats(0, 10),
)
