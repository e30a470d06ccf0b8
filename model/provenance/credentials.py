"""The certificate and the key that clips are signed with: read, and refused where they are unfit. Signs nothing.

No message and no repr says anything of the key but its kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

Algorithm = Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"]
"""Signature algorithms of C2PA (technical specification 2.2, 13.2.1)."""

CERTIFICATE_SETTING = "clip.c2pa.certificate (SKUREEL_CLIP__C2PA__CERTIFICATE)"
KEY_SETTING = "clip.c2pa.key (SKUREEL_CLIP__C2PA__KEY)"
EXTRA_MISSING = "signing needs the c2pa extra: pip install 'skureel[c2pa]'"

_BY_CURVE: dict[str, Algorithm] = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_RSA: tuple[Algorithm, ...] = ("ps256", "ps384", "ps512")
LEAST_RSA_BITS = 2048


class CredentialsError(Exception):
    """Raised when clips cannot be signed with what is configured; the message names the setting and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What clips are signed with. PEM, the signing certificate first, those above it after it."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    algorithm: Algorithm
    timestamp_url: str | None = None
    """An RFC 3161 authority that is asked with every clip; None: nobody is asked anything."""
    subject: str = ""
    expires: datetime


def credentials_of(
    certificate: Path,
    key: Path,
    *,
    now: datetime,
    algorithm: Algorithm | None = None,
    timestamp_url: str | None = None,
) -> Credentials:
    """Read certificate and key, and see that they are a pair, in force, and of the kind that C2PA takes.

    ``algorithm`` is by default what the key is for. Raises CredentialsError.
    """
    try:
        from cryptography import x509  # noqa: PLC0415 - part of the extra
    except ImportError:
        raise CredentialsError(EXTRA_MISSING) from None
    chain, secret = _read(certificate, CERTIFICATE_SETTING), _read(key, KEY_SETTING)
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except ValueError:
        raise CredentialsError(f"{CERTIFICATE_SETTING}: {certificate} holds no certificate in PEM") from None
    private = _private(secret, key)
    if _public(leaf.public_key()) != _public(private.public_key()):
        raise CredentialsError(f"{KEY_SETTING}: {key} is not the key of the certificate in {certificate}")
    _check_dates(leaf, certificate, now)
    _check_purpose(leaf, certificate)
    return Credentials(
        certificate=chain,
        key=secret,
        algorithm=_algorithm(private, algorithm),
        timestamp_url=timestamp_url,
        subject=leaf.subject.rfc4514_string(),
        expires=leaf.not_valid_after_utc,
    )


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"{setting}: {path}: {error.strerror or error}") from None


def _private(secret: bytes, path: Path) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - part of the extra
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        return load_pem_private_key(secret, None)
    except TypeError:
        raise CredentialsError(f"{KEY_SETTING}: {path} is encrypted; give it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CredentialsError(f"{KEY_SETTING}: {path} holds no private key in PEM") from None


def _public(key: object) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    return cast("bytes", key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))  # type: ignore[attr-defined]


def _check_dates(leaf: Certificate, path: Path, now: datetime) -> None:
    if now < leaf.not_valid_before_utc:
        began = leaf.not_valid_before_utc.isoformat()
        raise CredentialsError(f"{CERTIFICATE_SETTING}: {path} is not valid before {began}")
    if now > leaf.not_valid_after_utc:
        raise CredentialsError(f"{CERTIFICATE_SETTING}: {path} expired at {leaf.not_valid_after_utc.isoformat()}")


def _check_purpose(leaf: Certificate, path: Path) -> None:
    """After the certificate profile of C2PA (technical specification 2.2, 14.5.1); the rest shows the trial signature.

    Raises CredentialsError.
    """
    from cryptography import x509  # noqa: PLC0415 - part of the extra

    def unfit(why: str) -> CredentialsError:
        return CredentialsError(f"{CERTIFICATE_SETTING}: {path} is unfit for C2PA: {why}")

    found = leaf.extensions
    try:
        if found.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise unfit("it is an authority's, and signs certificates; give one that such an authority signed")
    except x509.ExtensionNotFound:
        pass
    try:
        if not found.get_extension_for_class(x509.KeyUsage).value.digital_signature:
            raise unfit("its key usage lacks digitalSignature")
        found.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as error:
        name = "extendedKeyUsage" if error.oid == x509.ExtendedKeyUsage.oid else "keyUsage"
        raise unfit(f"it has no {name}; docs/LABELS.md shows what is needed") from None


def _algorithm(private: PrivateKeyTypes, wanted: Algorithm | None) -> Algorithm:
    """The algorithm asked for where the key can do it, else the key's own. Raises CredentialsError."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415 - part of the extra

    fit: tuple[Algorithm, ...] = ()
    kind = type(private).__name__.lstrip("_")
    if isinstance(private, ec.EllipticCurvePrivateKey):
        kind = f"elliptic curve {private.curve.name}"
        fit = (_BY_CURVE[private.curve.name],) if private.curve.name in _BY_CURVE else ()
    elif isinstance(private, ed25519.Ed25519PrivateKey):
        kind, fit = "Ed25519", ("ed25519",)
    elif isinstance(private, rsa.RSAPrivateKey):
        kind = f"RSA of {private.key_size} bits"
        fit = _RSA if private.key_size >= LEAST_RSA_BITS else ()
    if not fit:
        raise CredentialsError(f"{KEY_SETTING}: C2PA takes no signature by a key of kind {kind}")
    if wanted is not None and wanted not in fit:
        raise CredentialsError(f"clip.c2pa.algorithm: {wanted} is not for a key of kind {kind}; {' or '.join(fit)} is")
    return wanted or fit[0]
