"""Fetches the programs that services run, once, into the cache: Kafka's jars by Maven, MinIO by the Go toolchain."""

import hashlib
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path

from tests.services import environment, programs
from tests.services.cache import Say, made_once, say
from tests.services.errors import ServiceError

POM = Path(__file__).with_name("pom.xml")
MINIO_MODULE = "github.com/minio/minio"
# The last commit of a server whose repository is archived: it will not move.
MINIO_VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
# A tool may hang on a network that swallows packets. The slowest honest run, MinIO's build on two busy cores
# with nothing cached, took under 5 minutes.
TOOL_LIMIT_S = 1800.0
PROGRESS_S = 15.0


def kafka_version() -> str:
    """The version of Kafka that `pom.xml` names."""
    found = re.search(r"<kafka\.version>([^<]+)<", POM.read_text())
    if not found:
        raise ServiceError(f"{POM} names no kafka.version")
    return found[1]


def kafka_jars(tell: Say = say) -> Path:
    """The folder of Kafka's jars, fetched if need be (7 s, 54 MB).

    Raises:
        MissingProgram: Java or Maven is not on this machine.
        ServiceError: Maven failed; the message carries the end of its output.
    """
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    name = f"kafka-{kafka_version()}-{digest}"

    def make(folder: Path) -> None:
        maven, java = programs.maven(), programs.java()
        shutil.copy(POM, folder / "pom.xml")
        command = [str(maven), "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        command += [f"-DoutputDirectory={folder / 'libs'}", "-Dmdep.useBaseVersion=true"]
        home = {} if shutil.which("java") else {"JAVA_HOME": str(java.parent.parent)}
        run_tool(f"Kafka {kafka_version()}: fetching its jars", command, home, folder, tell)
        if not any((folder / "libs").glob("kafka_2.13-*.jar")):
            raise ServiceError("Maven ended without an error but brought no Kafka jar")

    return made_once(environment.cache_folder(), name, make, tell=tell) / "libs"


def minio_binary(tell: Say = say) -> Path:
    """The MinIO server, built if need be (two to four minutes on two cores, 150 MB).

    Raises:
        MissingProgram: the Go toolchain is not on this machine.
        ServiceError: the build failed; the message carries the end of its output.
    """
    name = f"minio-{MINIO_VERSION}-{platform.system()}-{platform.machine()}".lower()

    def make(folder: Path) -> None:
        command = [str(programs.go()), "install", "-v", f"{MINIO_MODULE}@{MINIO_VERSION}"]
        settings = {"GOBIN": str(folder), "GOFLAGS": "-mod=mod"}
        run_tool("MinIO: building it, some minutes, this once", command, settings, folder, tell)

    return made_once(environment.cache_folder(), name, make, tell=tell) / "minio"


def run_tool(what: str, command: list[str], settings: dict[str, str], folder: Path, tell: Say = say) -> None:
    """Run a build tool in `folder`, its output in `fetch.log` there, telling now and then how far it is.

    Raises:
        ServiceError: it failed, or ran past `TOOL_LIMIT_S`.
    """
    tell(what)
    name = what.partition(":")[0]
    log = folder / "fetch.log"
    started = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment.with_changes(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            code = _wait(process, started, name, log, tell)
        except BaseException:
            process.kill()
            process.wait()
            raise
    if code != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise ServiceError(f"{' '.join(command[:2])} failed with code {code}:\n{end}")
    tell(f"{name}: fetched in {time.monotonic() - started:.0f} s")


def _wait(process: subprocess.Popen[bytes], started: float, name: str, log: Path, tell: Say) -> int:
    while True:
        try:
            return process.wait(timeout=PROGRESS_S)
        except subprocess.TimeoutExpired:
            passed = time.monotonic() - started
            if passed > TOOL_LIMIT_S:
                raise ServiceError(f"{name}: gave up after {passed:.0f} s; see the network") from None
            lines = len(log.read_text(errors="replace").splitlines())
            tell(f"{name}: {passed:.0f} s, {lines} lines of progress")
