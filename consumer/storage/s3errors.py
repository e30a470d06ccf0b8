"""What an S3 server's refusals mean for us. Knows no request; words its messages with the setting that mends them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self
from xml.etree import ElementTree as ET

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, MaxRetryError, SSLError

from consumer.storage.store import ConditionFailedError, ObjectNotFoundError, StoreError, StoreUnavailableError

_CONDITION = {"PreconditionFailed", "ConditionNotMet"}
_CONFLICT = {"ConditionalRequestConflict", "OperationAborted"}
_OVERLOAD = {"SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "InternalError", "RequestTimeout",
             "RequestLimitExceeded", "TooManyRequests", "Throttling", "ThrottlingException", "Busy", "NoSuchUpload",
             "XMinioServerNotInitialized", "XMinioStorageFull"}  # fmt: skip
_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "NotSignedUp"}
_REGION = {"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "Redirect", "BadRequest",
           "IllegalLocationConstraintException", "InvalidRegion"}  # fmt: skip


class RefusedError(Exception):
    """Raised when the server answered, and not with yes. ``status`` is HTTP's, ``code`` is S3's or empty."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(f"{code or 'no S3 error code'} (HTTP {status}): {message or 'no message'}")
        self.status = status
        self.code = code

    @classmethod
    def of(cls, response: BaseHTTPResponse) -> Self:
        """What an answer's XML says, or its status alone where it is no XML."""
        try:
            root = ET.fromstring(response.data or b"")  # noqa: S314 - expat of today bounds entity expansion
        except ET.ParseError:
            return cls(response.status)
        texts = {element.tag.rpartition("}")[2]: element.text or "" for element in root}
        return cls(response.status, texts.get("Code", "")[:80], texts.get("Message", "")[:300])

    @classmethod
    def from_client(cls, error: MinioException) -> Self:
        """The same from what the client raised."""
        if isinstance(error, S3Error):
            # A HEAD has no body: MinIO then names the code in a header, and the client guesses.
            code = error.response.headers.get("x-minio-error-code") or error.code or ""
            return cls(error.response.status, code, error.message or "")
        if isinstance(error, ServerError):
            return cls(error.status_code)
        if isinstance(error, InvalidResponseError):
            return cls(int(vars(error)["_code"]))
        return cls(0, message=str(error)[:300])


@contextmanager
def meaning(where: str, key: str) -> Iterator[None]:
    """Turn everything that a call can raise into the store's own errors. ``where`` names server and bucket."""
    try:
        yield
    except RefusedError as error:
        raise translate(error, where, key) from error
    except MinioException as error:
        raise translate(RefusedError.from_client(error), where, key) from error
    except HTTPError as error:
        raise _unreachable(error, where) from error
    except (ET.ParseError, ValueError) as error:
        # Keys and attributes were checked before, so it was the answer that could not be read.
        raise StoreUnavailableError(f"{where}: an answer that is not S3's ({type(error).__name__})") from error


def conflicts(error: RefusedError) -> bool:
    """True where two conditional writes met and this one may be tried again."""
    return error.code in _CONFLICT or (error.status == 409 and not error.code)


def passing(error: RefusedError) -> bool:
    """True where the same request may be answered with yes in a moment."""
    return conflicts(error) or error.code in _OVERLOAD or error.status == 429 or (
        error.status >= 500 and error.status != 501
    )  # fmt: skip


def translate(error: RefusedError, where: str, key: str) -> StoreError:
    """The store's own error for a refusal."""
    if error.code in _CONDITION or error.status == 412:
        return ConditionFailedError(key)
    if error.code == "NoSuchBucket":
        return StoreError(f"{where}: there is no such bucket; create it, or set store.s3.create_bucket = true")
    if error.code == "NoSuchKey":
        return ObjectNotFoundError(key)
    if passing(error):
        return StoreUnavailableError(f"{where}: {error}")
    if error.code in _KEYS:
        return StoreError(f"{where}: {error}; check store.s3.access_key and store.s3.secret_key")
    if error.code == "RequestTimeTooSkewed":
        return StoreError(f"{where}: {error}; set this machine's clock")
    if error.code in _REGION or error.status in {301, 307}:
        return StoreError(f"{where}: {error}; check store.s3.region and store.s3.endpoint")
    if error.status == 403:
        return StoreError(
            f"{where}: {error} ({key}); check store.s3.access_key and store.s3.secret_key, and that they may list the "
            "bucket and get, put, tag and delete its objects"
        )
    if not error.code:
        return StoreError(f"{where}: {error}; is store.s3.endpoint an S3 server?")
    return StoreError(f"{where}: {error} ({key})")


def _unreachable(error: HTTPError, where: str) -> StoreError:
    reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    if isinstance(reason, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(reason):
        return StoreError(f"{where}: its certificate is not trusted here; install its authority's certificate")
    # The text of these errors holds host, port and path; signatures travel in headers, never in the path.
    return StoreUnavailableError(f"{where}: {type(reason).__name__}: {str(reason)[:300]}")
