"""A hub's two questions: what a repository holds, and the bytes of a file from a place on; asked with patience.

Only this module uses huggingface_hub, and imports it when asked. It knows nothing of folders and manifests.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from model.wan.manifest import CheckpointError

if TYPE_CHECKING:
    import httpx2

INSTALL = "pip install 'skureel[gpu]'"
TIMEOUT = 30.0
"""Seconds without a byte after which a request is given up and made again."""
PIECE = 1 << 20
_BUSY = frozenset({408, 429, 500, 502, 503, 504})


class UnavailableError(CheckpointError):
    """Raised when a library of the gpu extra is not installed, or the hub cannot be reached or does not answer."""


class StoppedError(Exception):
    """Raised where a download ends because another one failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a request that failed for no lasting reason is made again, and the first pause before it (seconds).

    Pauses double, up to eight times the first. Attempts count anew when bytes arrived.
    """

    attempts: int = 5
    pause: float = 1.0


@contextmanager
def online() -> Iterator[Any]:
    """huggingface_hub, able to reach a hub. Raises UnavailableError.

    It reads HF_HUB_OFFLINE from the environment once, at its import, and asks its constants at every request.
    Whoever comes here was told to fetch: the ban is lifted for as long as that takes, and put back.
    """
    try:
        import huggingface_hub  # noqa: PLC0415 - a library of the gpu extra
        from huggingface_hub import constants  # noqa: PLC0415
    except ImportError as error:
        raise UnavailableError(f"fetching needs huggingface_hub: {INSTALL}") from error
    offline = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = False
    try:
        yield huggingface_hub
    finally:
        constants.HF_HUB_OFFLINE = offline


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """Where to ask, as whom, and how patiently. To be used inside ``online``, from any thread."""

    library: Any
    endpoint: str | None = None
    """None: the library's own default."""
    token: str | None = field(default=None, repr=False)
    """None: no token is sent, not even one that the library has stored."""
    patience: Patience = Patience()

    def info(self, repo_id: str, revision: str) -> Any:
        """huggingface_hub's ModelInfo with sizes and digests of the files. Raises CheckpointError."""
        api = self.library.HfApi(endpoint=self.endpoint, token=self.token or False)
        trial = _Trial(self, f"{repo_id} at {revision}", threading.Event())
        while True:
            try:
                return api.model_info(repo_id, revision=revision, files_metadata=True, timeout=TIMEOUT)
            except Exception as error:  # noqa: BLE001 - whatever the library makes of an answer is told in one way
                trial.failed(error)

    def rest(
        self, repo_id: str, commit: str, path: str, *, start: int, size: int, stopped: threading.Event
    ) -> Iterator[bytes]:
        """A file's bytes from ``start`` to ``size``, over as many requests as it takes.

        Raises CheckpointError, and StoppedError when ``stopped`` is set.
        """
        trial = _Trial(self, f"{repo_id} at {commit}, {path}", stopped)
        while start < size:
            try:
                for data in self._stream(repo_id, commit, path, start):
                    start += len(data)
                    trial.advanced()
                    yield data
                if start < size:
                    raise ConnectionError("the answer ended before the file did")  # noqa: TRY301 - as a broken one
            except Exception as error:  # noqa: BLE001 - as above
                trial.failed(error)

    def _stream(self, repo_id: str, commit: str, path: str, start: int) -> Iterator[bytes]:
        url = self.library.hf_hub_url(repo_id, path, revision=commit, endpoint=self.endpoint)
        headers = self.library.utils.build_hf_headers(token=self.token or False, library_name="skureel")
        # What is compressed on its way could not be gone on with.
        headers |= {"Range": f"bytes={start}-", "Accept-Encoding": "identity"}
        # The client takes the token off where a redirect leads to another host.
        with self.library.get_session().stream("GET", url, headers=headers, timeout=TIMEOUT) as response:
            self.library.utils.hf_raise_for_status(response)
            skip = _known(response, start)
            for data in response.iter_bytes(PIECE):
                if kept := data[skip:]:
                    yield kept
                skip = max(0, skip - len(data))


def _known(response: httpx2.Response, start: int) -> int:
    """How many of an answer's first bytes are there already: ``start`` where the server knows no ranges."""
    if response.status_code != 206:
        return start
    first = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if first != str(start):
        raise ConnectionError(f"bytes from {start} on were asked for, from {first or 'nowhere'} on came")
    return 0


class _Trial:
    """One thing that is wanted, over all its requests."""

    def __init__(self, hub: Hub, what: str, stopped: threading.Event) -> None:
        self._hub, self._what, self._stopped = hub, what, stopped
        self._fails, self._pause = 0, hub.patience.pause

    def advanced(self) -> None:
        self._fails, self._pause = 0, self._hub.patience.pause

    def failed(self, error: Exception) -> None:
        """Wait before the next request. Raises CheckpointError where another would not help or there were enough."""
        self._fails += 1
        if not _passing(error) or self._fails >= self._hub.patience.attempts:
            raise _explained(self._what, error, self._hub) from error
        if self._stopped.wait(self._pause):
            raise StoppedError from error
        self._pause = min(self._pause * 2, self._hub.patience.pause * 8)


def _passing(error: Exception) -> bool:
    """True where the same request may succeed later: a busy server, a broken connection."""
    import httpx2  # noqa: PLC0415 - comes with huggingface_hub

    status = _status(error)
    return status in _BUSY if status is not None else isinstance(error, (httpx2.TransportError, ConnectionError))


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _explained(what: str, error: Exception, hub: Hub) -> CheckpointError:
    """An error in terms of what to do. Of the library's own message nothing is passed on: it may hold addresses."""
    from huggingface_hub import errors  # noqa: PLC0415 - a library of the gpu extra

    status = _status(error)
    if isinstance(error, errors.RevisionNotFoundError):
        return CheckpointError(f"{what}: the repository has no such revision; look it up on its page")
    if isinstance(error, errors.GatedRepoError) or status in {401, 403}:
        why = "the token given may not read it" if hub.token else "it needs a token and none is set"
        return CheckpointError(
            f"{what}: refused ({status}): {why}, or there is no such repository; accept its terms on its page and set "
            "engine.wan.hub_token"
        )
    if status == 404:
        return CheckpointError(f"{what}: not found (404); check owner/name, and set engine.wan.hub_token if private")
    if status is not None:
        return UnavailableError(f"{what}: the hub answered {status}; try again later")
    if isinstance(error, OSError) and error.errno is not None:
        return CheckpointError(f"{what}: {trouble(error)}")
    return UnavailableError(
        f"{what}: the hub cannot be reached ({type(error).__name__}); check the network and the endpoint, then run it "
        "again: it goes on where it was"
    )


def trouble(error: OSError) -> str:
    """What this machine refuses, and what to do."""
    if error.errno == errno.ENOSPC:
        return "the disk is full; make room and run it again: it goes on where it was"
    return f"{error.strerror or error}; run it again: it goes on where it was"
