"""The environment variables that the test services read, all of them; nothing else here reads the environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from tests.services.errors import ServiceError

KAFKA = "SKUREEL_TEST_KAFKA"
S3 = "SKUREEL_TEST_S3"
POSTGRES = "SKUREEL_TEST_POSTGRES"
CHROMIUM = "SKUREEL_TEST_CHROMIUM"


def address(variable: str) -> str | None:
    """The address given in `variable`, or None when it is absent or empty."""
    return os.environ.get(variable) or None


def in_ci() -> bool:
    """Whether this run must fail, not skip, where a service is missing (`CI` set to anything but false)."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false", "no"}


def cache_folder() -> Path:
    """The folder for what is fetched once: `$XDG_CACHE_HOME/skureel`, or `~/.cache/skureel`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is invalid and to be ignored.
    if base and Path(base).is_absolute():
        return Path(base) / "skureel"
    try:
        return Path.home() / ".cache" / "skureel"
    except RuntimeError as error:
        raise ServiceError("no home folder to cache in: set XDG_CACHE_HOME to an absolute path") from error


def with_changes(changes: Mapping[str, str | None]) -> dict[str, str]:
    """This process's environment with `changes` over it, for a child; None takes a variable away."""
    merged = {**os.environ, **changes}
    return {key: value for key, value in merged.items() if value is not None}
