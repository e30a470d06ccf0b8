"""A folder of things made once and kept, safe when several processes want the same one; it knows not what they are."""

import fcntl
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Say = Callable[[str], None]


def say(message: str) -> None:
    """Tell the person at the terminal, on stderr: stdout belongs to `env` and `--json`."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def locked(path: Path, *, waiting: str = "", tell: Say = say) -> Iterator[None]:
    """Hold the file lock at `path`; the system lets go of it when this process dies, however it dies.

    Args:
        path: the lock file, made if absent.
        waiting: said once when another process holds the lock.
        tell: receives `waiting`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                tell(waiting)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def made_once(root: Path, name: str, make: Callable[[Path], None], *, tell: Say = say) -> Path:
    """The folder `root/name`, filled by `make` if it is not there yet.

    `make` fills a folder beside it, which gets its name only when it is complete: whoever sees `root/name`
    sees all of it. Of several processes one makes it, and the others wait. What a killed one left is swept.

    Raises:
        Exception: whatever `make` raises; nothing is kept then.
    """
    target = root / name
    if target.is_dir():
        return target
    with locked(root / f"{name}.lock", waiting=f"{name}: another process is fetching it; waiting", tell=tell):
        if target.is_dir():
            return target
        for leftover in root.glob(f".{name}.*"):
            shutil.rmtree(leftover)
        staging = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root))
        try:
            make(staging)
            staging.chmod(0o755)
            staging.rename(target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    return target
