"""The last steps of a clip: its base's bytes in, finished, labelled and verified bytes out.

Every label is read back from the finished bytes, whatever made them: without one there is no clip to publish. Always
starts from the encoded base or the encoded body, never from frames in memory: so a clip dressed again next year
from what is stored has the same bytes. Knows no store and no event.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from model.colour import Planar
from model.dress import check_dressing, dress, ribbon_of
from model.encode import encode, key_pictures_of, opening_picture_of
from model.endcard import encode_segment, pictures, segment_of
from model.errors import ClipError, DressError, LabelError, SpliceError
from model.label import check_labels, names, tags_for
from model.poster import PosterChoice
from model.probe import Probe, probe
from model.provenance import Signer, SigningError
from model.recipe import Recipe
from model.splice import ends_in_key, joint_faults, splice
from model.verify.sighting import missing

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What ``body_digest`` names: the base under its overlays, encoded for delivery. Not published: it has no tags."""

    data: bytes = field(repr=False)
    poster: bytes = field(repr=False)
    """JPEG, the size of the clip."""
    label: str | None = None
    """The visible label that was found in these very bytes; None: nobody looked, or it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A clip ready to be published, and what is to be said of it."""

    data: bytes = field(repr=False)
    poster: bytes = field(repr=False)
    """JPEG, the size of the clip."""
    probe: Probe
    sha256: str
    labels: tuple[str, ...]
    """Labels applied and read back: ``visible`` and ``aigc`` on clips a model generated, ``c2pa`` on signed ones."""
    has_text: bool
    """True when words are drawn on the picture: captions, a visible label or a promotion's."""
    parts: tuple[bytes, ...] = field(default=(), repr=False)
    """Body and end card, whose packets these are; none when the clip was encoded in one piece. ``inspect_file`` takes
    them instead of decoding once the first clip made of the body was inspected by decoding."""


def finish(base: bytes, recipe: Recipe, *, generative: bool, signer: Signer | None = None) -> Finished:
    """Dress, encode, join, label and sign a base clip; the same base and recipe give the same bytes, a signature apart.

    Args:
        base: The encoded base clip (``encode_base``).
        recipe: Its recipe; the scene says how many frames the base must have.
        generative: True when a model invented the pixels: such a clip is returned labelled or not at all.
        signer: Signs it with C2PA; then it is returned signed or not at all.

    Raises:
        WordsError: The words of the ribbon or the end card cannot be drawn whole at this size.
        DressError: The base has not the scene's frames, or the label cannot be drawn.
        LabelError: The recipe cannot be labelled, or labels were missing in the finished bytes.
        SigningError: It could not be signed.
        DecodeError, EncodeError, CodecError: The base is damaged, or the encoder failed.
    """
    tags = tags_for(recipe, generative)
    check_dressing(recipe)
    body = dress_body(base, recipe)
    try:
        return finish_body(body, recipe, generative=generative, signer=signer)
    except SpliceError as error:
        _log.warning("body and end card are encoded together: %s", error)
        whole = _in_one_piece(base, recipe, tags)
        return _finished(whole, body.poster, recipe, generative=generative, signer=signer)


def dress_body(base: bytes, recipe: Recipe) -> Body:
    """Dress and encode a base clip: all of the recipe but its end card and tags; its visible label is read back.

    Raises WordsError, DressError, LabelError, DecodeError, EncodeError and CodecError as ``finish`` does.
    """
    scene, overlays = recipe.scene, recipe.dressing.overlays
    ribbon = ribbon_of(recipe)
    chosen = PosterChoice(scene.frames, ribbon.settled if ribbon else None)
    shown = _exactly(scene.frames, chosen.watching(dress(base, overlays, scene)))
    data = encode(shown, (overlays.width, overlays.height), scene.fps, overlays.encoding, {})
    _check_visible(key_pictures_of(data), recipe)
    return Body(data=data, poster=chosen.jpeg(), label=overlays.label)


def finish_body(body: Body, recipe: Recipe, *, generative: bool, signer: Signer | None = None) -> Finished:
    """Join the end card to a body, label, sign and read it all back; nothing is encoded but a card not seen before.

    A body whose label nobody has seen is looked at here, by its first picture. ``inspect_file`` compares the packets of
    the result with its parts: so what was seen there is seen in the result.

    The result is what ``finish`` makes of the base, byte for byte, a signature apart. Raises SpliceError when the body
    cannot be joined or is not the recipe's (dress the base again), and otherwise what ``finish`` does.
    """
    tags = tags_for(recipe, generative)
    segment = segment_of(recipe)
    if segment is not None and ends_in_key(body.data):
        segment = segment_of(recipe, after_key=True)
    card = encode_segment(segment) if segment else None
    data = splice(body.data, card, tags)
    parts = (body.data,) if card is None else (body.data, card)
    if body.label != recipe.dressing.overlays.label:
        _check_visible([opening_picture_of(data)], recipe)
    finished = _finished(data, body.poster, recipe, generative=generative, signer=signer, parts=parts)
    if finished.probe.frames != recipe.frames:
        raise SpliceError(f"body and end card have {finished.probe.frames} frames, the recipe {recipe.frames}")
    return finished


def _in_one_piece(base: bytes, recipe: Recipe, tags: Mapping[str, str]) -> bytes:
    """Body and end card through one encoder, for encoders whose files cannot be joined."""
    scene, overlays, segment = recipe.scene, recipe.dressing.overlays, segment_of(recipe)
    shown = dress(base, overlays, scene)
    every = itertools.chain(shown, pictures(segment)) if segment else shown
    return encode(every, (overlays.width, overlays.height), scene.fps, overlays.encoding, tags)


def _finished(
    data: bytes,
    poster: bytes,
    recipe: Recipe,
    *,
    generative: bool,
    signer: Signer | None = None,
    parts: tuple[bytes, ...] = (),
) -> Finished:
    if signer is not None:
        # The last that is done to the bytes; all that follows only reads them.
        data = signer.sign(data, recipe, generative=generative)
    _check_written(data, recipe, generative=generative, signer=signer)
    if not parts:  # those were looked at when they were made
        _check_visible(key_pictures_of(data), recipe)
    overlays = recipe.dressing.overlays
    promoted = overlays.ribbon is not None or recipe.dressing.end_card is not None
    return Finished(
        data=data,
        poster=poster,
        probe=probe(data),
        sha256=hashlib.sha256(data).hexdigest(),
        labels=names(generative, signed=signer is not None),
        has_text=overlays.label is not None or promoted or any(recipe.scene.captions),
        parts=parts,
    )


def stands_for(data: bytes, finished: Finished, recipe: Recipe, *, generative: bool, signer: Signer) -> bool:
    """Whether a file is the clip that was finished just now, but for the moment of its signature: its pictures are the
    same, packet by packet, and its labels and signature hold."""
    try:
        _check_written(data, recipe, generative=generative, signer=signer)
    except ClipError:
        return False
    return not joint_faults(data, [finished.data])


def _check_written(data: bytes, recipe: Recipe, *, generative: bool, signer: Signer | None) -> None:
    """Metadata and signature, read from the finished bytes.

    Raises LabelError, and SigningError for a signature that does not hold.
    """
    faults = check_labels(data, recipe, generative)
    if faults:
        raise LabelError(f"labels are not in the finished bytes: {'; '.join(faults)}")
    fault = signer.check(data, recipe, generative=generative) if signer is not None else None
    if fault:
        raise SigningError(fault)


def _check_visible(pictures: Iterable[Planar], recipe: Recipe) -> None:
    """The visible label, looked for in decoded pictures; key frames, of which there is about one a second, for those
    between are what the encoder made of them. Raises LabelError."""
    overlays = recipe.dressing.overlays
    if overlays.label is not None:
        fault = missing(pictures, overlays.label, (overlays.width, overlays.height))
        if fault:
            raise LabelError(f"labels are not in the finished bytes: visible label: {fault}")


def _exactly(count: int, pictures: Iterable[Planar]) -> Iterator[Planar]:
    seen = 0
    for picture in pictures:
        seen += 1
        yield picture
    if seen != count:
        raise DressError(f"the base clip has {seen} frames; its scene has {count}")
