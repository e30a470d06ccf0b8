"""C2PA signatures as they are found in MP4 files: who signed, what is claimed, and whether it still holds.

Asks nobody: no trust list is fetched, no revocation looked up. What is trusted the caller says.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from model.boxes import boxes
from model.errors import BoxError, ClipError

BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""Type of the ``uuid`` box that holds a C2PA manifest (technical specification 2.1, A.5.1)."""
OFFLINE: Mapping[str, Any] = {
    "version": 1,
    "verify": {"verify_after_sign": False, "verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
"""The library's settings: it asks nobody, and draws nothing."""
UNTRUSTED = "signingCredential.untrusted"
_STATES: dict[str, Literal["trusted", "valid"]] = {"Trusted": "trusted", "Valid": "valid"}
_MANY = 16
"""Actions and faults that are kept: a stranger's file may list any number."""
_CHARS = 200


class ProvenanceError(ClipError):
    """Raised when a file has a manifest that cannot be read at all, or cannot be read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One entry of what was done to the file."""

    name: str
    source: str = ""
    """Its digital source type, where it says one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The manifest in force, and what it is worth."""

    state: Literal["trusted", "valid", "invalid"]
    """``valid``: whole and unchanged since somebody signed it. ``trusted``: and that somebody leads to an anchor."""
    signer: str
    algorithm: str
    generator: str
    actions: tuple[Action, ...]
    faults: tuple[str, ...] = ()
    """Codes of what is wrong (C2PA's), without the missing trust."""
    signed_at: str | None = None
    """By a timestamp authority, where one was asked."""


@cache
def available() -> bool:
    """Whether signatures can be read here: the extra is installed."""
    return find_spec("c2pa") is not None


def carries(data: bytes) -> bool:
    """Whether a file has a box for a manifest; needs no extra. False for what is no MP4."""
    try:
        return any(box.kind == "uuid" and data[box.body : box.body + 16] == BOX for box in boxes(data))
    except BoxError:
        return False


def anchors_of(path: Path) -> str:
    """The trust anchors in a PEM file. Raises ProvenanceError for a file without certificates."""
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ProvenanceError(f"{path}: {getattr(error, 'strerror', None) or 'is no PEM'}") from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise ProvenanceError(f"{path}: holds no certificate in PEM")
    return text


def read_signature(data: bytes, anchors: str | None = None) -> Signature | None:
    """The manifest of an MP4 and whether it holds; None where there is none.

    Args:
        data: The whole file.
        anchors: PEM of the certificates that are trusted.

    Raises:
        ProvenanceError: The manifest is damaged beyond reading, or the c2pa extra is not installed.
    """
    if not carries(data):
        return None
    if not available():
        raise ProvenanceError("signatures are read with the c2pa extra: pip install 'skureel[c2pa]'")
    import c2pa  # noqa: PLC0415 - an extra

    settings = {**OFFLINE, "trust": {"trust_anchors": anchors}} if anchors else dict(OFFLINE)
    try:
        with (
            c2pa.Context.from_dict(settings) as context,
            c2pa.Reader("video/mp4", io.BytesIO(data), None, context) as r,
        ):
            found = json.loads(r.json())
    except (c2pa.C2paError, ValueError) as error:
        raise ProvenanceError(f"the manifest cannot be read: {str(error)[:_CHARS]}") from error
    if not isinstance(found, dict):
        raise ProvenanceError("the manifest cannot be read: it is no object")
    return _signature(found)


def _signature(found: dict[str, Any]) -> Signature:
    manifest = _dict(_dict(found.get("manifests")).get(found.get("active_manifest")))
    signed = _dict(manifest.get("signature_info"))
    codes = [str(_dict(each).get("code", "")) for each in _list(found.get("validation_status"))]
    names = [_text(signed.get(name)) for name in ("common_name", "issuer")]
    return Signature(
        state=_STATES.get(str(found.get("validation_state")), "invalid"),
        signer=", ".join(dict.fromkeys(name for name in names if name)),
        algorithm=_text(signed.get("alg")).lower(),
        generator=_generator(manifest),
        actions=tuple(_actions(manifest))[:_MANY],
        faults=tuple(code for code in dict.fromkeys(codes) if code and code != UNTRUSTED)[:_MANY],
        signed_at=_text(signed.get("time")) or None,
    )


def _generator(manifest: Mapping[str, Any]) -> str:
    info = _dict(next(iter(_list(manifest.get("claim_generator_info"))), None))
    named = " ".join(word for word in (_text(info.get("name")), _text(info.get("version"))) if word)
    return named or _text(manifest.get("claim_generator"))


def _actions(manifest: Mapping[str, Any]) -> list[Action]:
    return [
        Action(name=_text(action.get("action")), source=_text(action.get("digitalSourceType")))
        for assertion in map(_dict, _list(manifest.get("assertions")))
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in map(_dict, _list(_dict(assertion.get("data")).get("actions")))
    ]


def _dict(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value[:_CHARS] if isinstance(value, str) else ""
