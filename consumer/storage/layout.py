"""Where things lie in the store, and what travels with them: keys, cache rules, surrogate keys. Pure; opens nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from consumer.storage.store import Attributes

IMMUTABLE = "public, max-age=31536000, immutable"
"""For objects named by their content: never asked for again."""
ALIAS = "public, max-age=60, s-maxage=31536000, stale-while-revalidate=60"
"""For a product's stable address: browsers ask again soon, a CDN keeps it until it is purged."""
PRIVATE = "private, no-store"
"""For what no visitor should see: clips that failed inspection, and what people decided."""

CACHE_TAG = "cache-tag"
"""Metadata name of the surrogate keys: a CDN in front of S3 reads it as x-amz-meta-cache-tag."""

VIDEO, IMAGE, RECORD = "video/mp4", "image/jpeg", "application/json"

Kind = Literal["base", "record", "body", "clip", "poster", "photo", "alias", "quarantine", "review"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SAFE = re.compile(r"(?!x-)[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SAFE_LOWER = re.compile(r"(?!x-)[a-z0-9][a-z0-9._-]{0,99}")


def _hashed(text: str) -> str:
    """A name for what cannot be one itself; 128 bits, so that two of them do not meet."""
    return "x-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def safe_name(identifier: str) -> str:
    """One segment of a key for any text: plain ids stay as they are, every other becomes x- and 32 hex digits.

    Ids that begin with x- are hashed too, so no id can pose as the hash of another.
    """
    return identifier if _SAFE.fullmatch(identifier) else _hashed(identifier)


def is_digest(text: str) -> bool:
    """Whether it can name an object by content."""
    return _DIGEST.fullmatch(text) is not None


def _addressed(folder: str, digest: str, ending: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:80]!a} is not 64 lower-case hex digits")
    return f"{folder}/{digest[:2]}/{digest}{ending}"


def base_key(digest: str) -> str:
    """The base clip of a scene."""
    return _addressed("base", digest, ".mp4")


def base_record_key(digest: str) -> str:
    """What is known of a base clip; written after the clip, so that its presence means: complete."""
    return _addressed("base", digest, ".json")


def body_key(digest: str) -> str:
    """A body, by its recipe's body digest: dressed and encoded, without end card and tags. Never published."""
    return _addressed("bodies", digest, ".mp4")


def body_poster_key(digest: str) -> str:
    """The still picture that clips made of a body get."""
    return _addressed("bodies", digest, ".jpg")


def body_record_key(digest: str) -> str:
    """What is known of a body; written after body and poster, so that its presence means: complete and inspected."""
    return _addressed("bodies", digest, ".json")


def clip_key(digest: str, *, signed: bool = False) -> str:
    """The finished clip of a recipe. One that carries a signature has a name of its own: its bytes are others."""
    return _addressed("clips", digest, ".c2pa.mp4" if signed else ".mp4")


def clip_record_key(digest: str, *, signed: bool = False) -> str:
    """What is known of a finished clip; written after clip and poster, so that its presence means: complete."""
    return _addressed("clips", digest, ".c2pa.json" if signed else ".json")


def poster_key(digest: str) -> str:
    """The still picture of a finished clip."""
    return _addressed("clips", digest, ".jpg")


def photo_key(sha256: str) -> str:
    """A reference photo, by the digest of its bytes."""
    return _addressed("photos", sha256, "")


def quarantine_key(digest: str) -> str:
    """A clip that failed inspection, by the digest of the recipe it was made from."""
    return _addressed("quarantine", digest, ".mp4")


def quarantine_record_key(digest: str) -> str:
    """Why a clip failed inspection."""
    return _addressed("quarantine", digest, ".json")


REVIEWS, AUDITS = "reviews/", "audits/"
"""Below these lie people's decisions about rejected clips, and their verdicts on published ones."""


def review_key(digest: str) -> str:
    """What a person decided about a rejected base clip; written once, on condition that nobody did before."""
    return _addressed("reviews", digest, ".json")


def audit_key(digest: str) -> str:
    """What a person found when looking at a published clip's base; written once, as ``review_key``."""
    return _addressed("audits", digest, ".json")


def alias_prefix(product_id: str, variant: str) -> str:
    """Below it lies everything of a product's stable address."""
    return f"products/{safe_name(product_id)}/{safe_name(variant)}/"


def alias_key(product_id: str, variant: str) -> str:
    """The small record that says which clip is current: the one object that is ever overwritten with conditions."""
    return f"{alias_prefix(product_id, variant)}current.json"


def alias_clip_key(product_id: str, variant: str) -> str:
    """The current clip under an address that stays."""
    return f"{alias_prefix(product_id, variant)}current.mp4"


def alias_poster_key(product_id: str, variant: str) -> str:
    """The current poster under an address that stays."""
    return f"{alias_prefix(product_id, variant)}current.jpg"


def surrogate_key(kind: Literal["product", "clip", "promo", "category"], identifier: str) -> str:
    """One tag to purge by, in the alphabet [a-z0-9][a-z0-9._-]{0,127} that every CDN takes.

    Ids with capitals are hashed: some CDNs compare tags without regard to case, and ABC is not abc.
    """
    return f"{kind}-{identifier if _SAFE_LOWER.fullmatch(identifier) else _hashed(identifier)}"


def surrogate_keys(
    product_id: str, clip_id: str, promo_id: str | None = None, category: str | None = None
) -> tuple[str, ...]:
    """Every tag under which a clip may be purged, the narrowest first after the product's own."""
    keys = [surrogate_key("product", product_id), surrogate_key("clip", clip_id)]
    if promo_id is not None:
        keys.append(surrogate_key("promo", promo_id))
    if category is not None:
        keys.append(surrogate_key("category", category))
    return tuple(keys)


def _attributes(
    kind: Kind, content_type: str, cache: str, metadata: Mapping[str, str], purge_by: Sequence[str] = ()
) -> Attributes:
    # Tags select objects in life-cycle rules (quarantine and bodies expire, base clips move to cheaper storage).
    tags: dict[str, str] = {"kind": kind}
    tags |= {key.partition("-")[0]: key for key in purge_by if not key.startswith("clip-")}
    carried = dict(metadata)
    if purge_by:
        carried[CACHE_TAG] = ",".join(purge_by)
    return Attributes(content_type=content_type, cache_control=cache, metadata=carried, tags=tags)


def base_attributes(sha256: str) -> Attributes:
    """For a base clip with these bytes."""
    return _attributes("base", VIDEO, IMMUTABLE, {"sha256": sha256})


def base_record_attributes() -> Attributes:
    """For the record of a base clip: small, and needed as long as anything made of the base is. Not of kind base."""
    return _attributes("record", RECORD, IMMUTABLE, {})


def body_attributes(content_type: str, sha256: str) -> Attributes:
    """For a body with these bytes (``VIDEO``) and its poster (``IMAGE``)."""
    return _attributes("body", content_type, IMMUTABLE, {"sha256": sha256})


def body_record_attributes() -> Attributes:
    """For the record of a body."""
    return _attributes("body", RECORD, IMMUTABLE, {})


def clip_attributes(sha256: str, purge_by: Sequence[str] = ()) -> Attributes:
    """For a finished clip with these bytes; ``purge_by`` are its surrogate keys."""
    return _attributes("clip", VIDEO, IMMUTABLE, {"sha256": sha256}, purge_by)


def clip_record_attributes() -> Attributes:
    """For the record of a finished clip."""
    return _attributes("clip", RECORD, IMMUTABLE, {})


def poster_attributes(sha256: str, purge_by: Sequence[str] = ()) -> Attributes:
    """For a poster with these bytes."""
    return _attributes("poster", IMAGE, IMMUTABLE, {"sha256": sha256}, purge_by)


def photo_attributes(content_type: str) -> Attributes:
    """For a reference photo."""
    return _attributes("photo", content_type, IMMUTABLE, {})


def alias_attributes(content_type: str, revision: int, purge_by: Sequence[str] = ()) -> Attributes:
    """For current.json, current.mp4 and current.jpg (``RECORD``, ``VIDEO``, ``IMAGE``)."""
    return _attributes("alias", content_type, ALIAS, {"revision": str(revision)}, purge_by)


def quarantine_attributes(content_type: str) -> Attributes:
    """For a clip that failed inspection (``VIDEO``) and its record (``RECORD``)."""
    return _attributes("quarantine", content_type, PRIVATE, {})


def review_attributes() -> Attributes:
    """For a decision and for a verdict: kept as long as anybody may ask who decided."""
    return _attributes("review", RECORD, PRIVATE, {})
