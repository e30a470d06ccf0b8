"""Laws of the files store beyond the common contract: crashes, links, other processes, foreign files."""

from __future__ import annotations

import contextlib
import errno
import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from consumer.storage import folders
from consumer.storage.files import CONTROL, LEFTOVER_SECONDS, FilesStore
from consumer.storage.heads import Heads
from consumer.storage.store import (
    Absent,
    Attributes,
    ConditionFailedError,
    Matches,
    ObjectNotFoundError,
    StoreError,
    StoreUnavailableError,
)

OLD = Attributes(content_type="text/old", metadata={"which": "old"})
NEW = Attributes(content_type="text/new", metadata={"which": "new"})
PROCESSES = multiprocessing.get_context("spawn")


@pytest.fixture
def store(tmp_path: Path) -> FilesStore:
    """An empty store."""
    return FilesStore(tmp_path / "store")


class CrashError(BaseException):
    """The power goes: nothing may catch this."""


def whole_or_old(store: FilesStore) -> str:
    """Which object lies there; head and content must agree."""
    content, stat = store.get("a/b.mp4")
    assert stat.metadata == {"which": content.decode()}
    assert stat.content_type == f"text/{content.decode()}"
    assert store.stat("a/b.mp4") == stat
    return content.decode()


STEPS = ["open", "write", "fsync", "replace", "mkdir"]


def crash_after(monkeypatch: pytest.MonkeyPatch, calls: int) -> Callable[[], bool]:
    """Let the system calls of a put go through so often, then the power goes. True once it went."""
    left = [calls]
    crashed = [False]

    def counted(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def call(*args: object, **kwargs: object) -> object:
            if left[0] == 0:
                crashed[0] = True
                raise CrashError(name)
            left[0] -= 1
            return real(*args, **kwargs)

        return call

    for name in STEPS:
        monkeypatch.setattr(os, name, counted(name))
    return lambda: crashed[0]


@pytest.mark.parametrize("existing", [False, True])
def test_a_crash_at_any_step_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool
) -> None:
    """However far a put came, content and head belong together, and the next put works."""
    seen = set()
    for calls in range(200):
        store = FilesStore(tmp_path / f"{calls}")
        if existing:
            store.put("a/b.mp4", b"old", OLD)
        with monkeypatch.context() as broken:
            crashed = crash_after(broken, calls)
            with contextlib.suppress(CrashError):
                store.put("a/b.mp4", b"new", NEW)
        if existing or store.stat("a/b.mp4") is not None:
            seen.add(whole_or_old(store))
        store.put("a/b.mp4", b"old", OLD)
        assert whole_or_old(store) == "old"
        if not crashed():
            break
    else:
        pytest.fail("a put never came to its end")
    assert seen == ({"old", "new"} if existing else {"new"})


def test_a_failed_put_leaves_no_rest(store: FilesStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is an outage, not a fault of the object; what was begun is removed."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", full)
        with pytest.raises(StoreUnavailableError, match="No space left"):
            store.put("a", b"x", OLD)
    assert list((store.root / CONTROL / "making").iterdir()) == []
    assert store.stat("a") is None


def test_objects_lie_under_their_own_names(store: FilesStore) -> None:
    """A page on the disk can link to a clip, and a web server may read it."""
    store.put("clips/ab/abc.mp4", b"content", NEW)
    path = store.root / "clips" / "ab" / "abc.mp4"
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_copied_store_is_the_same_store(store: FilesStore, tmp_path: Path) -> None:
    """Inodes and times change when a folder is copied; types and metadata do not."""
    store.put("a", b"new", OLD)
    store.put("a", b"new!", NEW)
    moved = FilesStore(Path(shutil.copytree(store.root, tmp_path / "copy", copy_function=shutil.copyfile)))
    assert moved.get("a") == store.get("a")
    assert moved.stat("a") == store.stat("a")


def test_a_file_from_elsewhere_is_an_object_without_attributes(store: FilesStore) -> None:
    """A photo that somebody put into the folder can be read, listed, and replaced under its etag."""
    (store.root / "photos").mkdir()
    (store.root / "photos" / "a.jpg").write_bytes(b"photo")
    content, stat = store.get("photos/a.jpg")
    assert (content, stat.content_type, stat.metadata) == (b"photo", "application/octet-stream", {})
    assert [found.key for found in store.list("photos/")] == ["photos/a.jpg"]
    store.put("photos/a.jpg", b"other", NEW, condition=Matches(etag=stat.etag))
    with pytest.raises(ConditionFailedError):
        store.put("photos/a.jpg", b"third", NEW, condition=Absent())


def test_an_object_edited_by_hand_has_a_new_etag(store: FilesStore) -> None:
    """The head of other bytes is not shown for these, and a condition on the old etag fails."""
    stat = store.put("a", b"old", OLD)
    (store.root / "a").write_bytes(b"edited")
    content, edited = store.get("a")
    assert (content, edited.metadata) == (b"edited", {})
    assert edited.etag != stat.etag
    with pytest.raises(ConditionFailedError):
        store.put("a", b"new", NEW, condition=Matches(etag=stat.etag))


@pytest.mark.parametrize(
    "page", [b"", b"{", b"[]", b'{"format": 2, "heads": []}', b'{"format": 1, "heads": [{}]}', b"\xff"]
)
def test_a_broken_head_costs_attributes_only(store: FilesStore, page: bytes) -> None:
    """The object is still there, and the next put mends it."""
    store.put("a", b"old", OLD)
    for head in (store.root / CONTROL / "heads").rglob("*.json"):
        head.write_bytes(page)
    assert store.get("a")[0] == b"old"
    assert store.get("a")[1].metadata == {}
    store.put("a", b"old", OLD)
    assert store.get("a")[1].metadata == {"which": "old"}


def test_an_object_that_came_back_does_not_inherit(store: FilesStore) -> None:
    """After delete nothing of the old head is left, also where the delete died halfway."""
    store.put("a", b"old", OLD)
    (store.root / "a").unlink()  # as if the power had gone before the head was removed
    assert store.stat("a") is None
    store.put("a", b"new", NEW, condition=Absent())
    assert store.get("a")[1].metadata == {"which": "new"}
    store.delete("a")
    assert list((store.root / CONTROL / "heads").rglob("*.json")) == []


def test_no_link_leads_out(store: FilesStore, tmp_path: Path) -> None:
    """Links to files and folders outside are neither read, written, listed, copied nor deleted through."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (store.root / "folder").symlink_to(outside)
    (store.root / "file").symlink_to(outside / "secret")
    (store.root / "dangling").symlink_to(outside / "made")
    assert store.stat("folder/secret") is None
    with pytest.raises(ObjectNotFoundError):
        store.get("folder/secret")
    with pytest.raises(StoreError, match="link"):
        store.put("folder/secret", b"x", NEW)
    with pytest.raises(StoreError, match="link"):
        store.get("file")
    for name in ("file", "dangling"):
        with pytest.raises(StoreError, match="link"):
            store.put(name, b"x", NEW)
    store.delete("folder/secret")
    assert list(store.list("")) == []
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"


def test_no_link_in_the_control_folder_leads_out(tmp_path: Path) -> None:
    """The store's own folders are entered with the same care."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("making", "locks", "heads"):
        other = FilesStore(tmp_path / name)
        (other.root / CONTROL).mkdir()
        (other.root / CONTROL / name).symlink_to(outside)
        with pytest.raises(StoreError, match="link"):
            other.put("a", b"x", NEW)
    assert list(outside.iterdir()) == []


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    """Where the store lies is the operator's choice."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    FilesStore(tmp_path / "link").put("a", b"x", NEW)
    assert (tmp_path / "real" / "a").exists()


def test_what_is_no_file_is_no_object(store: FilesStore) -> None:
    """A pipe does not hang a reader; a folder is not an object, and an object is no folder."""
    os.mkfifo(store.root / "pipe")
    assert store.stat("pipe") is None
    store.put("a/b", b"x", NEW)
    assert store.stat("a") is None
    assert store.stat("a/b/c") is None
    store.delete("a")
    with pytest.raises(StoreError, match="folder"):
        store.put("a", b"x", NEW)
    with pytest.raises(StoreError, match="folder"):
        store.put("a/b/c", b"x", NEW)
    assert [stat.key for stat in store.list("")] == ["a/b"]
    assert list(store.list("a/b/c")) == []


def test_names_that_are_no_keys_are_not_listed(store: FilesStore) -> None:
    """What could not be got by its key is not offered."""
    for name in ("é", ".hidden", "a\\b", "good"):
        (store.root / name).write_bytes(b"x")
    assert [stat.key for stat in store.list("")] == ["good"]


def test_a_folder_that_is_gone_is_an_outage(store: FilesStore) -> None:
    """An unmounted store is not an empty one: nobody may conclude that clips must be made again."""
    store.put("a", b"x", NEW)
    shutil.rmtree(store.root)
    operations: list[Callable[[], object]] = [
        lambda: store.get("a"),
        lambda: store.stat("a"),
        lambda: store.put("a", b"x", NEW),
        lambda: store.copy("a", "b", NEW),
        lambda: store.delete("a"),
        lambda: list(store.list("")),
        store.probe,
    ]
    for operation in operations:
        with pytest.raises(StoreUnavailableError, match=r"store\.path"):
            operation()
    assert not store.root.exists()


def test_a_folder_removed_under_a_writer_is_an_outage(store: FilesStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever clears folders away while we write gets no 'not found' out of a put; the next put works."""

    def gone(*_: object, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", gone)
        with pytest.raises(StoreUnavailableError, match="No such file"):
            store.put("a/b", b"x", NEW)
    store.put("a/b", b"x", NEW)


def test_a_probe_leaves_no_folder(store: FilesStore) -> None:
    """A gallery's folder holds clips and nothing else that shows."""
    store.probe()
    assert [path.name for path in store.root.iterdir()] == [CONTROL]


def test_an_impossible_folder_is_named(tmp_path: Path) -> None:
    """A file where the folder should be is found at once, with the setting."""
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match=r"store\.path"):
            FilesStore(path)


def test_a_folder_that_may_not_be_written_is_named(store: FilesStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Denied is no outage: waiting does not help."""

    def denied(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as broken:
        broken.setattr(os, "mkdir", denied)
        with pytest.raises(StoreError, match="who owns the folder") as caught:
            store.probe()
    assert not isinstance(caught.value, StoreUnavailableError)


def test_a_store_that_reads_other_bytes_fails_its_probe(store: FilesStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that lies is found at start."""
    monkeypatch.setattr(folders, "chunks", lambda _: iter([b"other"]))
    with pytest.raises(StoreError, match="not what was read"):
        store.probe()


def test_a_probe_clears_what_dead_processes_left(store: FilesStore) -> None:
    """Old files in the making go; young ones may be somebody's at work."""
    store.probe()
    making = store.root / CONTROL / "making"
    (making / "old").write_bytes(b"x")
    (making / "young").write_bytes(b"x")
    (making / "folder").mkdir()
    long_ago = time.time() - LEFTOVER_SECONDS - 60
    os.utime(making / "old", (long_ago, long_ago))
    store.probe()
    assert sorted(path.name for path in making.iterdir()) == ["folder", "young"]


def test_a_reader_that_never_catches_up_gives_up(store: FilesStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless overwriting is an overload, not a hang."""
    store.put("a", b"x", NEW)
    monkeypatch.setattr(Heads, "of", lambda *_: None)
    with pytest.raises(StoreUnavailableError, match="faster"):
        store.get("a")


def test_a_reader_starts_again_when_the_content_was_replaced(
    store: FilesStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two overwrites between opening and reading the head do not mix two objects."""
    store.put("a", b"one", OLD)
    real, waiting = Heads._read, [True]

    def slow(heads: Heads, key: str) -> object:
        if waiting:
            waiting.clear()
            other = FilesStore(store.root)
            other.put("a", b"two", OLD)
            other.put("a", b"new", NEW)
        return real(heads, key)

    monkeypatch.setattr(Heads, "_read", slow)
    content, stat = store.get("a")
    assert (content, stat.metadata) == (b"new", {"which": "new"})


def test_urls_open_the_object(store: FilesStore, tmp_path: Path) -> None:
    """A file address leads to the file, odd names included; a public one below its address."""
    odd = FilesStore(tmp_path / "a b#c 红")
    odd.put("x y/z%41?.mp4", b"content", NEW)
    url = urlsplit(odd.url("x y/z%41?.mp4"))
    assert url.scheme == "file"
    assert Path(unquote(url.path)).read_bytes() == b"content"
    public = FilesStore(tmp_path / "p", "https://cdn.example/clips/")
    assert public.url("a b/c.mp4") == "https://cdn.example/clips/a%20b/c.mp4"
    with pytest.raises(ValueError, match="public_url"):
        FilesStore(tmp_path / "p", "cdn.example")
    assert repr(store) == f"FilesStore({str(store.root)!r})"


# Other processes.


def _create(root: str, start: Connection, number: int) -> None:
    """In another process: wait for the word, then try to be the first."""
    store = FilesStore(Path(root))
    start.send("ready")
    start.recv()
    outcome = []
    for key in range(20):
        try:
            store.put(f"race/{key}", b"%d" % number, OLD, condition=Absent())
            outcome.append(key)
        except ConditionFailedError:
            pass
    start.send(outcome)


def _hold(root: str, start: Connection) -> None:
    """In another process: take the lock of a key and never give it back."""
    with Heads(Path(root), CONTROL, (CONTROL, "making")).locked("a"):
        start.send("locked")
        start.recv()


@pytest.fixture
def processes() -> Iterator[list[multiprocessing.process.BaseProcess]]:
    """Processes that are gone when the test ends."""
    started: list[multiprocessing.process.BaseProcess] = []
    yield started
    for process in started:
        process.kill()
        process.join()


@pytest.mark.usefixtures("no_tracker_left")
def test_of_several_processes_one_creates(
    store: FilesStore, processes: list[multiprocessing.process.BaseProcess]
) -> None:
    """Each key has exactly one creator among racing processes, and its content is what stays."""
    ends = []
    for number in range(3):
        mine, theirs = PROCESSES.Pipe()
        process = PROCESSES.Process(target=_create, args=(str(store.root), theirs, number))
        process.start()
        processes.append(process)
        ends.append(mine)
    for end in ends:
        assert end.recv() == "ready"
    for end in ends:
        end.send("go")
    wins = [end.recv() for end in ends]
    assert sorted(key for won in wins for key in won) == list(range(20))
    for number, won in enumerate(wins):
        for key in won:
            assert store.get(f"race/{key}")[0] == b"%d" % number


@pytest.mark.usefixtures("no_tracker_left")
def test_a_process_that_dies_lets_go_of_its_lock(
    store: FilesStore, processes: list[multiprocessing.process.BaseProcess]
) -> None:
    """kill -9 of a writer blocks nobody."""
    mine, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_hold, args=(str(store.root), theirs))
    process.start()
    processes.append(process)
    assert mine.recv() == "locked"
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    store.put("a", b"x", NEW)
    assert store.get("a")[0] == b"x"


def test_heads_are_plain_json(store: FilesStore) -> None:
    """An operator can read what is known of an object, its key and tags included."""
    store.put("a/b", b"x", Attributes(tags={"kind": "clip"}))
    (head,) = (store.root / CONTROL / "heads").rglob("*.json")
    page = json.loads(head.read_bytes())
    assert (page["key"], page["heads"][0]["tags"]) == ("a/b", {"kind": "clip"})
