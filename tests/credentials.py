"""Certificates and keys for signing clips in tests: an authority of our own, and what it signs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from model.provenance import Signer, credentials_of, open_signer

Kind = Literal["p256", "p384", "ed25519", "rsa", "rsa1024", "secp256k1"]
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
SIGNER = "clips.example.com, Example Shop"
"""Who signed, as verify tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A certificate, its key, and the authority's certificate, as PEM files."""

    certificate: Path
    key: Path
    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """The settings that name them."""
        return {
            "SKUREEL_CLIP__C2PA__CERTIFICATE": str(self.certificate),
            "SKUREEL_CLIP__C2PA__KEY": str(self.key),
        }


@cache
def key_of(kind: Kind) -> Key:
    """A key of a kind; the same each time."""
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind in ("rsa", "rsa1024"):
        return rsa.generate_private_key(65537, 2048 if kind == "rsa" else 1024)
    curves: dict[str, ec.EllipticCurve] = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "secp256k1": ec.SECP256K1()}
    return ec.generate_private_key(curves[kind])


def _name(common: str) -> x509.Name:
    owner = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Shop")
    return x509.Name([owner, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs: bool, certifies: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        key_cert_sign=certifies,
        crl_sign=certifies,
        content_commitment=not signs and not certifies,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


@cache
def _root() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key, name, now = ec.generate_private_key(ec.SECP256R1()), _name("root"), dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=1000)).not_valid_after(now + dt.timedelta(days=1000))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs=False, certifies=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return key, builder.sign(key, hashes.SHA256())


def _certificate(key: Key, days: tuple[int, int], *, ca: bool, signs: bool, purpose: bool) -> x509.Certificate:
    issuer, root = _root()
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(root.subject, _name("clips.example.com"), key.public_key(), 7)
    builder = builder.not_valid_before(now + dt.timedelta(days=days[0]))
    builder = builder.not_valid_after(now + dt.timedelta(days=days[1]))
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs=signs, certifies=False), critical=True)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    builder = builder.add_extension(above, critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if purpose:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(usage, critical=False)
    return builder.sign(issuer, hashes.SHA256())


def credentials(
    folder: Path,
    kind: Kind = "p256",
    *,
    days: tuple[int, int] = (-1, 365),
    ca: bool = False,
    signs: bool = True,
    purpose: bool = True,
    passphrase: bytes | None = None,
) -> Files:
    """Files as C2PA wants them, but for what is said; ``days`` from now between which the certificate is in force."""
    pem, key = serialization.Encoding.PEM, key_of(kind)
    folder.mkdir(parents=True, exist_ok=True)
    made = Files(certificate=folder / "sign.pem", key=folder / "sign.key", root=folder / "root.pem")
    leaf = _certificate(key, days, ca=ca, signs=signs, purpose=purpose)
    made.certificate.write_bytes(leaf.public_bytes(pem))
    locked = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    made.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, locked))
    made.root.write_bytes(_root()[1].public_bytes(pem))
    return made


def signer(files: Files) -> Signer:
    """A signer by these files."""
    return open_signer(credentials_of(files.certificate, files.key, now=dt.datetime.now(dt.UTC)), "0.1.0")
