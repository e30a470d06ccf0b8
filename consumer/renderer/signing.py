"""Settings turned into the signer of finished clips, for whoever finishes clips. Opens the files that they name."""

from __future__ import annotations

import structlog

from consumer import __version__
from consumer.events import utc_now
from consumer.settings import C2paSettings
from model.provenance import Signer, credentials_of, open_signer

log = structlog.get_logger(__name__)


def signer_of(settings: C2paSettings) -> Signer | None:
    """What clips are signed with, tried once; None where nothing is configured. Raises CredentialsError."""
    if settings.certificate is None or settings.key is None:
        return None
    credentials = credentials_of(
        settings.certificate,
        settings.key,
        now=utc_now(),
        algorithm=settings.algorithm,
        timestamp_url=settings.timestamp_url,
    )
    return open_signer(credentials, __version__)


def told_signer_of(settings: C2paSettings) -> Signer | None:
    """The same for a service, which says so in its log."""
    signer = signer_of(settings)
    if signer is not None:
        own = signer.credentials
        log.info(
            "clips are signed",
            by=own.subject,
            algorithm=own.algorithm,
            until=own.expires.date().isoformat(),
            timestamps=own.timestamp_url or "none",
        )
    return signer
