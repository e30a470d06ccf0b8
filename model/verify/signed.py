"""The check of a C2PA signature: whether it is there and holds, whose it is, and what it says of the pictures.

Whether it has to be there, and who is trusted, is asked by who verifies: a file cannot say that of itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from model.provenance import ProvenanceError, Signature, available, carries, read_signature
from model.verify.verdict import Finding

EXTRA = "install the c2pa extra to validate it: pip install 'skureel[c2pa]'"
_MEANT = {
    "assertion.bmffHash.mismatch": "the file was changed after it was signed",
    "assertion.hashedURI.mismatch": "the statement was changed after it was signed",
    "claimSignature.mismatch": "the signature is not of this statement and certificate",
    "signingCredential.expired": "the certificate has expired, and no timestamp shows that it was signed before",
    "signingCredential.invalid": "the certificate is unfit for C2PA",
}
"""C2PA's codes (technical specification 2.2, 15.2.2) that people meet, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is asked of a file's signature."""

    required: bool = False
    """It must be there."""
    anchors: str | None = None
    """PEM of trusted certificates; then it must lead to one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What came of the check."""

    finding: Finding
    signature: Signature | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The digital source types that a signature which holds vouches for, without the vocabulary's address."""
        if self.signature is None or self.finding.status == "fail":
            return ()
        return tuple(action.source.rpartition("/")[2] for action in self.signature.actions if action.source)

    @property
    def facts(self) -> dict[str, object] | None:
        """The same for machines."""
        return asdict(self.signature) if self.signature else None


def examine(data: bytes, demand: Demand) -> Seal:
    """The finding of a well-formed MP4. Never raises for a bad signature."""
    if not carries(data):
        why = "a signature is asked for: there never was one, or it was lost when the file was rewritten"
        absent = Finding("c2pa", "fail", "absent", why) if demand.required else Finding("c2pa", "ok", "absent")
        return Seal(finding=absent)
    if not available():
        asked = demand.required or demand.anchors is not None
        return Seal(finding=Finding("c2pa", "fail" if asked else "note", "present, not validated", EXTRA))
    try:
        found = read_signature(data, demand.anchors)
    except ProvenanceError as error:
        return Seal(finding=Finding("c2pa", "fail", "damaged", str(error)))
    if found is None:
        return Seal(finding=Finding("c2pa", "fail", "damaged", "a box for a manifest has none"))
    return Seal(finding=_judged(found, demand), signature=found)


def _judged(found: Signature, demand: Demand) -> Finding:
    told = _told(found)
    if found.state == "invalid" or found.faults:
        why = "; ".join(_MEANT.get(code, code) for code in found.faults) or "the signature does not hold"
        return Finding("c2pa", "fail", f"invalid, {told}", why)
    if found.state == "trusted":
        return Finding("c2pa", "ok", f"valid and trusted, {told}")
    if demand.anchors is not None:
        return Finding("c2pa", "fail", f"valid, {told}", "its certificate leads to none of those that are trusted")
    return Finding("c2pa", "note", f"valid, {told}", "whose certificate is trusted was not said (--trust)")


def _told(found: Signature) -> str:
    actions = [
        f"{action.name} ({action.source.rpartition('/')[2]})" if action.source else action.name
        for action in found.actions
    ]
    return f"signed by {found.signer or 'nobody named'} ({found.algorithm}): {', '.join(actions) or 'nothing said'}"
