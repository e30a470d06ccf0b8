"""Hypothesis strategies: every typed event, with any value its type and its recipe allow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from consumer.events import (
    Cause,
    Clip,
    ClipRequest,
    Creative,
    EndCardCreative,
    Image,
    Lineage,
    Price,
    Product,
    ProductColour,
    Promo,
    Reason,
    Review,
    RibbonCreative,
    Scope,
    Tier,
    VideoReady,
    VideoRejected,
    Work,
)
from model.recipe import Dressing, Encoding, EndCard, Overlays, Photo, Recipe, Ribbon, Scene

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
ids = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12)
names = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=20)
times = st.integers(-(10**12), 4 * 10**12).map(lambda millis: EPOCH + timedelta(milliseconds=millis))
longs = st.integers(-(2**63), 2**63 - 1)
revisions = st.integers(0, 2**63 - 1)
plans = st.integers(1, 2**63 - 1)
ints = st.integers(-(2**31), 2**31 - 1)
doubles = st.floats(allow_nan=False)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
colours = st.text("0123456789abcdefABCDEF", min_size=6, max_size=6).map(lambda digits: f"#{digits}")
even = st.integers(16, 2048).map(lambda half: 2 * half)
amounts = st.integers(-(10**18) + 1, 10**18 - 1).map(lambda unscaled: Decimal(unscaled).scaleb(-4))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, or none."""
    return st.none() | strategy


def several(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A few values as a tuple."""
    return st.lists(strategy, max_size=3).map(tuple)


causes = st.builds(Cause, event_id=texts, product_revision=longs, promo_id=maybe(texts), promo_revision=maybe(longs))

products = st.builds(
    Product,
    event_id=ids,
    occurred_at=times,
    product_id=ids,
    revision=revisions,
    name=names,
    category=texts,
    locale=texts,
    brand=maybe(names),
    colour=maybe(names),
    selling_points=several(texts),
    attributes=st.dictionaries(texts, texts, max_size=3),
    tags=several(texts),
    images=several(
        st.builds(
            Image, url=texts, role=st.sampled_from(["MAIN", "DETAIL", "LIFESTYLE", "OTHER"]), sha256=maybe(digests)
        )
    ),
    price=maybe(st.builds(Price, amount=amounts, currency=texts)),
    tier=st.sampled_from(Tier),
)

photos = st.builds(Photo, url=texts, sha256=maybe(digests))


def _scenes(mode: str, photo: st.SearchStrategy[Any]) -> st.SearchStrategy[Scene]:
    return st.builds(
        Scene,
        mode=st.just(mode),
        prompt=texts,
        negative_prompt=texts,
        photo=photo,
        captions=several(texts),
        locale=texts,
        seed=st.integers(0, 2**63 - 1),
        width=even,
        height=even,
        frames=st.integers(1, 1000),
        fps=st.integers(1, 120),
        steps=st.integers(0, 1000),
        guidance=doubles,
        engine=texts,
        engine_revision=texts,
    )


recipes = st.builds(
    Recipe,
    scene=_scenes("text", maybe(photos)) | _scenes("image", photos),
    dressing=st.builds(
        Dressing,
        overlays=st.builds(
            Overlays,
            width=even,
            height=even,
            ribbon=maybe(
                st.builds(Ribbon, text=texts, locale=texts, colour=colours, position=st.sampled_from(["top", "bottom"]))
            ),
            label=maybe(texts),
            encoding=st.builds(Encoding, codec=texts, crf=ints, preset=texts, gop=ints),
        ),
        end_card=maybe(
            st.builds(
                EndCard,
                headline=texts,
                subline=maybe(texts),
                locale=texts,
                colour=colours,
                seconds=st.floats(0.5, 5),
            )
        ),
        producer=maybe(texts),
    ),
)


def _requests(work: st.SearchStrategy[Work], recipe: st.SearchStrategy[Any]) -> st.SearchStrategy[ClipRequest]:
    return st.builds(
        ClipRequest,
        request_id=ids,
        product_id=ids,
        variant=ids,
        revision=plans,
        work=work,
        recipe=recipe,
        captions=several(texts),
        calm_prompt=maybe(texts),
        template=maybe(texts),
        colour=maybe(st.builds(ProductColour, word=texts, rgb=maybe(st.tuples(*[st.integers(0, 255)] * 3)))),
        cause=causes,
        requested_at=times,
    )


requests = _requests(st.sampled_from([Work.RENDER, Work.DRESS, Work.SPLICE]), recipes) | _requests(
    st.just(Work.RETIRE), st.none()
)

clips = st.builds(
    Clip,
    clip_id=texts,
    url=texts,
    key=texts,
    poster_url=texts,
    sha256=digests,
    etag=maybe(texts),
    size=longs,
    width=ints,
    height=ints,
    frames=ints,
    fps=ints,
    duration=doubles,
    content_type=texts,
    codec=texts,
    has_text=st.booleans(),
    produce_id=maybe(texts),
    producer=maybe(texts),
)

lineages = st.builds(
    Lineage,
    recipe_digest=digests,
    base_digest=digests,
    prompt=texts,
    negative_prompt=maybe(texts),
    engine=texts,
    engine_revision=texts,
    generative=st.booleans(),
    seed=longs,
    steps=ints,
    guidance=doubles,
    photo_sha256=maybe(digests),
    scores=st.dictionaries(texts, doubles, max_size=3),
    inspection_policy=maybe(texts),
    not_inspected=st.dictionaries(texts, texts, max_size=3),
    engine_seconds=doubles,
    work=st.sampled_from([Work.RENDER, Work.DRESS, Work.SPLICE, Work.NONE]),
    attempts=ints,
    review=maybe(st.builds(Review, reviewer=texts, at=times, reason=texts, policy=maybe(texts))),
    template=maybe(texts),
    fallback=maybe(texts),
)

videos_ready = st.builds(
    VideoReady,
    event_id=texts,
    occurred_at=times,
    product_id=texts,
    variant=texts,
    revision=longs,
    status=st.sampled_from(["READY", "RETIRED"]),
    cause=causes,
    clip=maybe(clips),
    alias_url=texts,
    alias_poster_url=texts,
    purge_urls=several(texts),
    surrogate_keys=several(texts),
    purge_mode=st.sampled_from(["SOFT", "HARD"]),
    superseded_urls=several(texts),
    valid_from=maybe(times),
    valid_until=maybe(times),
    labels=several(texts),
    lineage=maybe(lineages),
)

videos_rejected = st.builds(
    VideoRejected,
    event_id=texts,
    occurred_at=times,
    product_id=texts,
    variant=texts,
    revision=longs,
    cause=causes,
    reasons=several(st.builds(Reason, check=texts, message=texts)),
    scores=st.dictionaries(texts, doubles, max_size=3),
    attempts=ints,
    engine_seconds=doubles,
    recipe_digest=maybe(digests),
    base_digest=maybe(digests),
    tried=several(digests),
    quarantine_key=maybe(texts),
    inspection_policy=maybe(texts),
    not_inspected=st.dictionaries(texts, texts, max_size=3),
    action=st.sampled_from(["REJECT", "REVIEW"]),
)

locale_texts = st.dictionaries(texts, texts, max_size=3)
windows = st.lists(times, min_size=2, max_size=2, unique=True).map(sorted) | st.just([None, None])


def _promo(window: list[Any], **fields: Any) -> Promo:
    return Promo(starts_at=window[0], ends_at=window[1], **fields)


promos = st.builds(
    _promo,
    window=windows,
    event_id=ids,
    occurred_at=times,
    promo_id=ids,
    revision=revisions,
    status=st.sampled_from(["ACTIVE", "ENDED"]),
    scope=st.builds(
        Scope, all=st.booleans(), product_ids=several(texts), categories=several(texts), tags=several(texts)
    ),
    priority=ints,
    creative=st.builds(
        Creative,
        prompt_phrases=locale_texts,
        style=maybe(names),
        ribbon=maybe(
            st.builds(RibbonCreative, text=locale_texts, colour=colours, position=st.sampled_from(["TOP", "BOTTOM"]))
        ),
        end_card=maybe(st.builds(EndCardCreative, headline=locale_texts, subline=locale_texts, colour=colours)),
    ),
)

EVENTS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "product-created": (Product, products),
    "promo-changed": (Promo, promos),
    "clip-render": (ClipRequest, requests),
    "clip-render-bulk": (ClipRequest, requests),
    "clip-dress": (ClipRequest, requests),
    "video-ready": (VideoReady, videos_ready),
    "video-rejected": (VideoRejected, videos_rejected),
}
"""Each topic's typed event, and its values."""
