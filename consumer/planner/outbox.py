"""Requests as bytes: what a plan says to the renderer, its deterministic ids, and its headers. Decides nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from consumer.events import Avro, Cause, ClipRequest, ProductColour, Work
from consumer.planner.ledger import Request
from consumer.planner.prompting.lint import Finding
from consumer.planner.refusals import REFUSED, name_of, rejection
from consumer.planner.tables import PlanRow, milliseconds
from consumer.settings import Topics
from consumer.stream.codec import Codec
from consumer.stream.headers import Trace, incoming, outgoing
from consumer.stream.types import Headers, Output, Record
from model.recipe import Digests, Recipe

CE_SOURCE = "/skureel/planner"

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


def request_id(product_id: str, variant: str, revision: int) -> str:
    """The id of a request: the same plan always has the same, 32 lower-case hex digits."""
    # Ids hold no control characters, so the separators make the three unambiguous.
    return hashlib.sha256(f"{product_id}\0{variant}\0{revision}".encode()).hexdigest()[:32]


def pack(headers: Headers) -> bytes:
    """Headers as the catalog keeps them."""
    return _encode([(name, None if value is None else value.decode("latin-1")) for name, value in headers]).encode()


def unpack(packed: bytes) -> Headers:
    """The headers of ``pack``'s bytes."""
    return [(name, None if value is None else value.encode("latin-1")) for name, value in json.loads(packed)]


def stored(request: Request, cause: Record | None = None) -> Output:
    """A stored request, as it was published or should have been. ``cause`` is the record that brings it up again."""
    return Output(request.topic, request.product_id.encode(), request.request, unpack(request.headers), cause)


def _named(value: Avro) -> Avro:
    """A request's value with the branches of its large unions named, as fastavro lets one do.

    Else it validates the whole recipe to find out that it is not null, which costs as much as writing it.
    """
    recipe = value["recipe"]
    if recipe is not None:
        if recipe["scene"]["photo"] is not None:
            recipe["scene"]["photo"] = ("skureel.Photo", recipe["scene"]["photo"])
        value["recipe"] = ("skureel.Recipe", recipe)
    if value["colour"] is not None:
        value["colour"] = ("skureel.ProductColour", value["colour"])
    return value


class Outbox:
    """Writes plans. Stateless."""

    def __init__(self, codec: Codec, topics: Topics, variant: str) -> None:
        self._codec = codec
        self._variant = variant
        self._rejected = topics.video_rejected
        self._lanes = {
            (Work.RENDER, False): (topics.clip_render, "skureel.clip-render"),
            (Work.RENDER, True): (topics.clip_render_bulk, "skureel.clip-render-bulk"),
            (Work.RETIRE, False): (topics.clip_render, "skureel.clip-render"),
            **dict.fromkeys(
                [(work, bulk) for work in (Work.DRESS, Work.SPLICE) for bulk in (False, True)],
                (topics.clip_dress, "skureel.clip-dress"),
            ),
        }
        """Topic and CloudEvents type by the work and by who asks: a product's own record, or a fan-out (bulk)."""

    def plan(
        self,
        product_id: str,
        revision: int,
        work: Work,
        *,
        recipe: Recipe | None,
        digests: Digests | None,
        captions: tuple[str, ...] = (),
        calm_prompt: str | None = None,
        template: str | None = None,
        colour: ProductColour | None = None,
        cause: Cause,
        batch: str,
        now: datetime,
        source: Record | None = None,
        bulk: bool = False,
        held: bool = False,
    ) -> tuple[PlanRow, Output]:
        """The row and the request of plan number ``revision``. Raises UnavailableError when no schema can be had.

        ``source`` is the record that led to it, whose trace goes on in the request; a fan-out has none. ``captions``
        are for whatever draws in the engine's stead, ``calm_prompt`` and ``template`` for clips that fail inspection,
        ``colour`` for the inspection itself: none is part of the recipe.
        """
        topic, kind = self._lanes[work, bulk]
        identity = request_id(product_id, self._variant, revision)
        request = ClipRequest(
            request_id=identity,
            product_id=product_id,
            variant=self._variant,
            revision=revision,
            work=work,
            recipe=recipe,
            captions=captions,
            calm_prompt=calm_prompt,
            template=template,
            colour=colour,
            cause=cause,
            requested_at=now,
        )
        value, content = self._codec.encode(topic, _named(request.to_avro()))
        headers = outgoing(content, ce_id=identity, ce_type=kind, source=CE_SOURCE, time=now, parent=_trace(source))
        said = Output(topic, product_id.encode(), value, headers, source)
        row = self._row(
            said,
            product_id=product_id,
            revision=revision,
            work=work.value,
            digests=digests,
            batch=batch,
            now=now,
            held=held,
        )
        return row, said

    def refuse(
        self,
        product_id: str,
        revision: int,
        findings: Sequence[Finding],
        *,
        cause: Cause,
        rules: str,
        batch: str,
        now: datetime,
        source: Record | None = None,
    ) -> tuple[PlanRow, Output]:
        """The row of plan number ``revision``, which asks for nothing, and the rejection that says why.

        ``rules`` is their version. Raises UnavailableError when no schema can be had.
        """
        event = rejection(product_id, self._variant, revision, findings, cause=cause, rules=rules, now=now)
        value, content = self._codec.encode(self._rejected, event.to_avro())
        headers = outgoing(
            content,
            ce_id=event.event_id,
            ce_type="skureel.video-rejected",
            source=CE_SOURCE,
            time=now,
            parent=_trace(source),
        )
        said = Output(self._rejected, product_id.encode(), value, headers, source)
        row = self._row(
            said,
            product_id=product_id,
            revision=revision,
            work=REFUSED,
            digests=name_of(findings),
            batch=batch,
            now=now,
        )
        return row, said

    def _row(
        self,
        said: Output,
        *,
        product_id: str,
        revision: int,
        work: str,
        digests: Digests | None,
        batch: str,
        now: datetime,
        held: bool = False,
    ) -> PlanRow:
        base, body, clip = digests or (None, None, None)
        return PlanRow(
            product_id,
            self._variant,
            revision,
            work,
            base or None,
            body or None,
            clip,
            said.topic,
            said.value or b"",
            pack(said.headers),
            batch,
            milliseconds(now),
            held,
        )


def _trace(source: Record | None) -> Trace | None:
    return incoming(source.headers).trace if source and source.headers else None
