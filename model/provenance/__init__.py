"""C2PA: a signed statement of a clip's making inside the file, written as the last step and read by whoever wants to.

Needs the c2pa extra, which is imported only when something is signed or read. Knows no store and no event.
"""

from model.provenance.credentials import Algorithm, Credentials, CredentialsError, credentials_of
from model.provenance.reading import ProvenanceError, Signature, anchors_of, available, carries, read_signature
from model.provenance.signing import Signer, SigningError, open_signer

__all__ = [
    "Algorithm",
    "Credentials",
    "CredentialsError",
    "ProvenanceError",
    "Signature",
    "Signer",
    "SigningError",
    "anchors_of",
    "available",
    "carries",
    "credentials_of",
    "open_signer",
    "read_signature",
]
