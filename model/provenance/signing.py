"""Signs finished clips with C2PA, offline unless a timestamp authority is named, and reads back what was written.

The last step of a clip: whatever touches the bytes afterwards breaks the signature. Signatures differ from one time
to the next, so nothing may be named by a signed file's bytes. Thread-safe.
"""

from __future__ import annotations

import io
from typing import Any

from model.errors import ClipError
from model.provenance.credentials import CERTIFICATE_SETTING, EXTRA_MISSING, Credentials, CredentialsError
from model.provenance.manifest import ALGORITHMIC, CREATED, manifest_of, source_type
from model.provenance.reading import OFFLINE, ProvenanceError, Signature, available, read_signature
from model.recipe import Recipe


class SigningError(ClipError):
    """Raised when a clip could not be signed, or its signature does not hold. Not the clip's fault: the authority for
    timestamps is out, or the certificate expired meanwhile."""


class Signer:
    """Signs with one pair of credentials; get one from ``open_signer``."""

    def __init__(self, credentials: Credentials, version: str) -> None:
        self.credentials = credentials
        self._version = version

    def sign(self, data: bytes, recipe: Recipe, *, generative: bool) -> bytes:
        """The same file with a manifest in it: some 3 KB and milliseconds more. Raises SigningError."""
        return self._signed(data, manifest_of(recipe, generative=generative, version=self._version))

    def check(self, data: bytes, recipe: Recipe, *, generative: bool) -> str | None:
        """What is wrong with the signature of a finished file, read as a stranger would; None where it holds and says
        where the pictures come from."""
        try:
            found = read_signature(data)
        except ProvenanceError as error:
            return str(error)
        if found is None:
            return "there is no C2PA manifest"
        if found.state == "invalid" or found.faults:
            return f"the C2PA signature does not hold: {', '.join(found.faults) or 'invalid'}"
        return _said(found, source_type(recipe, generative=generative))

    def try_out(self) -> None:
        """Sign a file without pictures and read it back: what the library thinks of the credentials.

        Asks no timestamp authority. Raises CredentialsError.
        """
        action = {"action": CREATED, "digitalSourceType": ALGORITHMIC}
        manifest = {
            "claim_version": 2,
            "claim_generator_info": [{"name": "skureel", "version": self._version}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
        }
        try:
            found = read_signature(self._signed(_trial_file(), manifest, stamped=False))
        except (SigningError, ProvenanceError) as error:
            raise CredentialsError(f"{CERTIFICATE_SETTING}: is unfit for C2PA: {error}") from error
        if found is None or found.state == "invalid" or found.faults:
            faults = ", ".join(found.faults) if found else "no signature"
            raise CredentialsError(f"{CERTIFICATE_SETTING}: a trial signature does not hold: {faults}")

    def _signed(self, data: bytes, manifest: dict[str, Any], *, stamped: bool = True) -> bytes:
        import c2pa  # noqa: PLC0415 - an extra

        own = self.credentials
        target = io.BytesIO()
        url = own.timestamp_url if stamped else None
        info = c2pa.C2paSignerInfo(own.algorithm, own.certificate, own.key, url)
        try:
            with (
                c2pa.Context.from_dict(dict(OFFLINE)) as context,
                c2pa.Signer.from_info(info) as signer,
                c2pa.Builder(manifest, context=context) as builder,
            ):
                builder.sign(signer, "video/mp4", io.BytesIO(data), target)
        except c2pa.C2paError as error:
            raise SigningError(f"cannot be signed: {str(error)[:200]}") from error
        return target.getvalue()


def open_signer(credentials: Credentials, version: str) -> Signer:
    """A signer that has signed once. ``version`` is the program's, for the manifest. Raises CredentialsError."""
    if not available():
        raise CredentialsError(EXTRA_MISSING)
    signer = Signer(credentials, version)
    signer.try_out()
    return signer


def _said(found: Signature, source: str) -> str | None:
    first = found.actions[0] if found.actions else None
    if first is None or (first.name, first.source) != (CREATED, source):
        told = f"{first.name} {first.source}" if first else "nothing"
        return f"the C2PA manifest begins with {told}, not with {CREATED} {source}"
    return None


def _trial_file() -> bytes:
    """The least that is an MP4: brands, empty headers, a few bytes of media."""
    parts = ((b"ftyp", b"isom\0\0\2\0isomiso2"), (b"moov", b""), (b"mdat", b"trial"))
    return b"".join((8 + len(body)).to_bytes(4, "big") + kind + body for kind, body in parts)
