"""Laws of what a server's refusals mean: which pass, which need a person, and which setting mends them."""

from __future__ import annotations

import pytest
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3 import HTTPResponse
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from consumer.storage.s3errors import RefusedError, conflicts, meaning, passing, translate
from consumer.storage.store import ConditionFailedError, ObjectNotFoundError, StoreError, StoreUnavailableError

WHERE = "S3 at http://127.0.0.1:9000, bucket skureel"


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "SlowDown"), (503, "ServiceUnavailable"), (500, "InternalError"), (400, "RequestTimeout"), (429, ""),
     (429, "TooManyRequests"), (502, ""), (504, ""), (503, "XMinioServerNotInitialized"), (507, "XMinioStorageFull"),
     (409, "ConditionalRequestConflict"), (409, "OperationAborted"), (409, ""), (404, "NoSuchUpload")],
)  # fmt: skip
def test_what_passes_is_an_outage(status: int, code: str) -> None:
    """Overload, a server that starts, and two writers that meet are waited out."""
    error = RefusedError(status, code)
    assert passing(error)
    assert isinstance(translate(error, WHERE, "a"), StoreUnavailableError)


@pytest.mark.parametrize(
    ("status", "code", "mends"),
    [
        (404, "NoSuchBucket", "store.s3.create_bucket"),
        (403, "InvalidAccessKeyId", "store.s3.access_key"),
        (403, "SignatureDoesNotMatch", "store.s3.secret_key"),
        (400, "ExpiredToken", "store.s3.secret_key"),
        (403, "AccessDenied", "get, put, tag and delete"),
        (403, "", "store.s3.access_key"),
        (403, "RequestTimeTooSkewed", "clock"),
        (400, "AuthorizationHeaderMalformed", "store.s3.region"),
        (301, "PermanentRedirect", "store.s3.region"),
        (307, "", "store.s3.region"),
        (405, "", "store.s3.endpoint"),
        (200, "", "store.s3.endpoint"),
        (400, "EntityTooLarge", "EntityTooLarge"),
        (501, "NotImplemented", "NotImplemented"),
    ],
)
def test_what_a_person_must_mend_says_how(status: int, code: str, mends: str) -> None:
    """Waiting does not help, so it is no outage; the message names what to set, and where it happened."""
    error = translate(RefusedError(status, code, "told"), WHERE, "a/b")
    assert type(error) is StoreError
    assert mends in str(error)
    assert WHERE in str(error)


def test_ordinary_answers_are_their_own_errors() -> None:
    """No object, and a condition that failed, are what callers ask for."""
    assert isinstance(translate(RefusedError(404, "NoSuchKey"), WHERE, "a"), ObjectNotFoundError)
    for error in (RefusedError(412, "PreconditionFailed"), RefusedError(412)):
        assert isinstance(translate(error, WHERE, "a"), ConditionFailedError)
        assert not passing(error)


def test_conflicts_are_told_from_failed_conditions() -> None:
    """409 may be tried again, 412 may not."""
    assert conflicts(RefusedError(409, "ConditionalRequestConflict"))
    assert conflicts(RefusedError(409))
    assert not conflicts(RefusedError(409, "BucketAlreadyExists"))
    assert not conflicts(RefusedError(412))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>later</Message></Error>", "SlowDown"),
        (b"<Error xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Code>NoSuchKey</Code></Error>", "NoSuchKey"),
        (b"<Error><Code/></Error>", ""),
        (b"<html><body>no</body></html>", ""),
        (b"", ""),
        (b"\xff\xfe<", ""),
        (b"<Error><Code>" + b"x" * 10_000 + b"</Code></Error>", "x" * 80),
    ],
)
def test_any_body_of_an_answer_can_be_read(body: bytes, code: str) -> None:
    """XML of S3 gives its code; everything else gives none, and no error of its own."""
    error = RefusedError.of(HTTPResponse(body=body, status=503, preload_content=True))
    assert (error.status, error.code) == (503, code)
    assert len(str(error)) < 1_000


def s3_error(code: str, headers: dict[str, str] | None = None) -> S3Error:
    """What the client raises for an answer in XML."""
    response = HTTPResponse(body=b"", status=400, headers=headers)
    return S3Error(response, code, "told", "/x", "1", "2")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (s3_error("NoSuchKey"), ObjectNotFoundError),
        (s3_error("NoSuchKey", {"x-minio-error-code": "NoSuchBucket"}), StoreError),
        (s3_error("SlowDown"), StoreUnavailableError),
        (ServerError("failed", 502), StoreUnavailableError),
        (ServerError("failed", 418), StoreError),
        (InvalidResponseError(503, "text/html", "<html>"), StoreUnavailableError),
        (InvalidResponseError(404, "text/html", "<html>"), StoreError),
        (MinioException("odd"), StoreError),
        (RefusedError(412), ConditionFailedError),
        (ValueError("no ETag"), StoreUnavailableError),
        (ProtocolError("broken"), StoreUnavailableError),
        (ReadTimeoutError(None, "/x", "slow"), StoreUnavailableError),  # type: ignore[arg-type]
        (MaxRetryError(None, "/x", ConnectTimeoutError("away")), StoreUnavailableError),  # type: ignore[arg-type]
        (MaxRetryError(None, "/x", None), StoreUnavailableError),  # type: ignore[arg-type]
        (MaxRetryError(None, "/x", NameResolutionError("h", None, OSError("dns"))), StoreUnavailableError),  # type: ignore[arg-type]
        (SSLError("handshake failed"), StoreUnavailableError),
        (SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), StoreError),
        (HTTPError("odd"), StoreUnavailableError),
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_everything_a_call_can_raise_has_a_meaning(raised: Exception, expected: type[StoreError]) -> None:
    """Nothing of the client's or the connection's own comes through, and the cause is kept."""
    with pytest.raises(StoreError) as caught, meaning(WHERE, "a"):
        raise raised
    assert type(caught.value) is expected
    assert caught.value.__cause__ is raised


def test_other_errors_are_not_ours() -> None:
    """A fault in our own code is not dressed up as one of the store."""
    with pytest.raises(KeyError), meaning(WHERE, "a"):
        raise KeyError("x")
