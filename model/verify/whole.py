"""A whole file verified: headers, then packets, then every picture, then what the labels are worth by all of these."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from model.encode import planar_frames_of
from model.errors import ClipError, VerifyError
from model.probe import Probe, probe
from model.verify import aigc
from model.verify.labels import Origin, claims_of, label_findings
from model.verify.sighting import COMMON, LabelWatch, Sighting
from model.verify.signed import Demand, examine
from model.verify.stored import header_findings, packet_findings
from model.verify.verdict import Finding, Verdict, complete

DECODE_SECONDS = 120.0
"""Longest that decoding may take: a small file can hold hours of work."""
UNASKED = Demand()
"""A signature is told of, and has to hold where there is one."""
_TOLD = ("comment", "software", "recipe")
_TOLD_CHARS = 200
"""As much of a tag as the facts repeat."""


def verify(data: bytes, *, origin: Origin = "auto", words: Sequence[str] = COMMON, demand: Demand = UNASKED) -> Verdict:
    """Check a file. Never raises for a bad one, however broken: what cannot be looked at is ``skipped``.

    Args:
        data: The whole file.
        origin: Who made its pictures, where the caller knows better than the file.
        words: Texts of the visible label to look for.
        demand: What is asked of a C2PA signature.
    """
    facts: dict[str, object] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    try:
        headers = probe(data)
    except ClipError as error:
        return Verdict(findings=complete([_unreadable(data, error)]), facts=facts)
    facts |= _facts(headers)
    seal = examine(data, demand)
    facts["c2pa"] = seal.facts
    findings = [*header_findings(data, headers), *packet_findings(data, headers), seal.finding]
    findings += _pictures(data, headers, _Asked(origin, words, seal.sources), facts)
    return Verdict(findings=complete(findings), facts=facts)


def _unreadable(data: bytes, error: ClipError) -> Finding:
    found = f"{len(data)} bytes"
    # Every MP4 of today opens with its brands, or with nothing that matters.
    if b"ftyp" not in data[:64]:
        found += f", beginning with {data[:8]!r}" if data else ""
        return Finding("container", "fail", found, f"no MP4: {error}")
    return Finding("container", "fail", found, str(error))


def _facts(headers: Probe) -> dict[str, object]:
    return {
        "width": headers.width,
        "height": headers.height,
        "fps": round(headers.fps, 3),
        "duration": round(headers.duration, 3),
        "frames": headers.frames,
        "codec": headers.codec,
        "tags": {key: headers.tags[key][:_TOLD_CHARS] for key in _TOLD if key in headers.tags},
    }


class _Asked(NamedTuple):
    """What the pictures are looked at for, and what is known of their origin."""

    origin: Origin
    words: Sequence[str]
    sources: tuple[str, ...]


def _pictures(data: bytes, headers: Probe, asked: _Asked, facts: dict[str, object]) -> Iterator[Finding]:
    """Decoding and labels; where decoding does not end, the visible one is left out. Labels are added to the facts."""
    origin, words, sources = asked
    claims = claims_of(data, sources)
    facts["aigc"] = aigc.read(claims.labels[0]) if claims.labels else None
    watch = LabelWatch(words, (headers.width, headers.height), headers.fps)
    try:
        count = _decoded(data, watch)
    except ClipError as error:
        yield Finding("decode", "fail", "not to its end", str(error))
        yield from (each for each in label_findings(claims, origin, None, 0) if each.check != "visible_label")
        return
    if count != headers.frames:
        yield Finding("decode", "fail", f"{count} pictures", f"the headers list {headers.frames}")
    else:
        yield Finding("decode", "ok", f"all {count} pictures, without an error")
    sighting = watch.sighting
    facts["visible_label"] = _seen(sighting) if sighting else None
    yield from label_findings(claims, origin, sighting, count / headers.fps)


def _decoded(data: bytes, watch: LabelWatch) -> int:
    """Pictures decoded, every one watched. Raises DecodeError, and VerifyError where it takes too long."""
    count, until = 0, time.monotonic() + DECODE_SECONDS
    for picture in planar_frames_of(data):
        watch.see(picture)
        count += 1
        if time.monotonic() > until:
            raise VerifyError(f"{count} pictures took longer than {DECODE_SECONDS:.0f} s; given up")
    return count


def _seen(sighting: Sighting) -> dict[str, object]:
    return {
        "text": sighting.text,
        "seconds": round(sighting.seconds, 3),
        "opening": sighting.opening,
        "glyph_height": sighting.height,
        "glyph_share": round(sighting.share, 4),
    }
