"""The laws of the Store protocol, over every store there is: files, and S3 on a real server."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from consumer.settings import S3
from consumer.storage.files import FilesStore
from consumer.storage.s3 import S3Store
from consumer.storage.store import (
    Absent,
    Attributes,
    Capabilities,
    ConditionFailedError,
    Matches,
    ObjectNotFoundError,
    Store,
)
from tests.services.addresses import S3Address

PLAIN = Attributes()
RICH = Attributes(
    content_type="video/mp4",
    cache_control="public, max-age=31536000, immutable",
    metadata={"sha256": "ab" * 32, "cache-tag": "product-a,clip-b", "title": "红色背包 50% — 🎒", "blank": "  a  b "},
    tags={"kind": "clip", "product": "sku-1"},
)  # fmt: skip
HOSTILE = [
    "", "/", "/etc/passwd", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/..", ".skureel/heads/x", "a/.hidden",
    "a\\..\\b", "a\x00b", "a\nb", "a\tb", "a\x7f", "é", "红", "a/\u202eb", " a", "a ", "a/ b", "a" * 201,
    "a/" * 500 + "b", "\ud800", "C:\\x",
]  # fmt: skip
ODD = [
    "a b",
    "a+b",
    "a%2fb",
    "100%",
    "a#b",
    "a?b=c&d",
    "it's",
    '"quoted"',
    "a;b,c=d@e:f",
    "~x",
    "-x",
    "(x)[y]{z}",
    "a|<b>",
]


def s3_settings(address: S3Address, bucket: str, prefix: str = "") -> S3:
    """Settings for a bucket of the test server."""
    return S3(
        endpoint=f"http://{address.endpoint}",
        bucket=bucket,
        access_key=address.access_key,
        secret_key=SecretStr(address.secret_key),
        prefix=prefix,
        timeout=10,
    )


@pytest.fixture(params=["files", "s3", "s3-prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each kind of store, empty."""
    if request.param == "files":
        yield FilesStore(tmp_path / "store with blank")
        return
    prefix = "team/skureel" if request.param == "s3-prefix" else ""
    yield S3Store(s3_settings(request.getfixturevalue("minio"), request.getfixturevalue("bucket"), prefix))


def test_a_probe_finds_conditions_and_tags_and_leaves_nothing(store: Store) -> None:
    """Both stores can all that the protocol knows, and the probe's own object is gone afterwards."""
    assert store.probe() == Capabilities(conditional_put=True, tagging=True)
    assert list(store.list("")) == []


@pytest.mark.parametrize("attributes", [PLAIN, RICH])
def test_what_is_put_is_got(store: Store, attributes: Attributes) -> None:
    """Content, type, cache rule and metadata, Unicode and blanks included, come back as they went."""
    written = store.put("clips/ab/abc.mp4", b"content", attributes)
    content, stat = store.get("clips/ab/abc.mp4")
    assert content == b"content"
    assert stat == written == store.stat("clips/ab/abc.mp4")
    assert (stat.key, stat.size) == ("clips/ab/abc.mp4", 7)
    assert stat.content_type == attributes.content_type
    assert stat.cache_control == attributes.cache_control
    assert stat.metadata == attributes.metadata


def test_an_empty_object_is_an_object(store: Store) -> None:
    """No bytes are content too."""
    store.put("empty", b"", PLAIN)
    content, stat = store.get("empty")
    assert (content, stat.size) == (b"", 0)


def test_ten_megabytes_from_a_file_come_back_whole(store: Store, tmp_path: Path) -> None:
    """A path is read and stored byte for byte."""
    source = tmp_path / "big"
    source.write_bytes(hashlib.sha256(b"seed").digest() * (10 * 1024 * 1024 // 32))
    stat = store.put("big.mp4", source, RICH)
    assert stat.size == 10 * 1024 * 1024
    assert store.get("big.mp4")[0] == source.read_bytes()


def test_a_source_that_is_not_there_is_the_callers_fault(store: Store, tmp_path: Path) -> None:
    """A missing file raises its own error and writes nothing."""
    with pytest.raises(FileNotFoundError):
        store.put("a", tmp_path / "nothing", PLAIN)
    assert store.stat("a") is None


def test_an_overwrite_replaces_content_and_head_together(store: Store) -> None:
    """Nothing of the old object shows through the new one, and the etag tells them apart."""
    first = store.put("a", b"one", RICH)
    second = store.put("a", b"two!", PLAIN)
    assert store.get("a") == (b"two!", second)
    assert second.metadata == {}
    assert first.etag != second.etag


def test_what_is_not_there_is_not_found(store: Store) -> None:
    """get and copy raise with the key, stat gives None, delete does nothing."""
    with pytest.raises(ObjectNotFoundError, match="a/b") as caught:
        store.get("a/b")
    assert caught.value.key == "a/b"
    assert store.stat("a/b") is None
    with pytest.raises(ObjectNotFoundError) as caught:
        store.copy("a/b", "c", PLAIN)
    assert caught.value.key == "a/b"
    assert store.stat("c") is None
    store.delete("a/b")


def test_a_deleted_object_is_gone_and_may_come_back(store: Store) -> None:
    """A key is free again after delete, also for a write that asks for its absence."""
    store.put("a/b", b"one", RICH)
    store.delete("a/b")
    assert store.stat("a/b") is None
    with pytest.raises(ObjectNotFoundError):
        store.get("a/b")
    assert store.put("a/b", b"one", PLAIN, condition=Absent()).metadata == {}
    assert store.get("a/b")[1].metadata == {}


def test_absent_lets_only_the_first_write_pass(store: Store) -> None:
    """The second writer loses, and what the first wrote stays."""
    store.put("current.json", b"one", RICH, condition=Absent())
    with pytest.raises(ConditionFailedError) as caught:
        store.put("current.json", b"two", PLAIN, condition=Absent())
    assert caught.value.key == "current.json"
    content, stat = store.get("current.json")
    assert content == b"one"
    assert stat.metadata == RICH.metadata


def test_matches_lets_a_write_pass_until_somebody_else_wrote(store: Store) -> None:
    """An etag is good for one write; a stale one, and one for an object that is gone, fail."""
    first = store.put("current.json", b"one", PLAIN)
    second = store.put("current.json", b"two", PLAIN, condition=Matches(etag=first.etag))
    with pytest.raises(ConditionFailedError):
        store.put("current.json", b"three", PLAIN, condition=Matches(etag=first.etag))
    assert store.get("current.json") == (b"two", second)
    store.delete("current.json")
    with pytest.raises(ConditionFailedError):
        store.put("current.json", b"three", PLAIN, condition=Matches(etag=second.etag))
    assert store.stat("current.json") is None


def race(count: int, attempt: Callable[[int], object]) -> list[int]:
    """The numbers of those who passed among ``count`` threads that start at the same moment."""
    line = threading.Barrier(count)

    def run(number: int) -> int | None:
        line.wait()
        try:
            attempt(number)
        except ConditionFailedError:
            return None
        return number

    with ThreadPoolExecutor(count) as pool:
        return [number for number in pool.map(run, range(count)) if number is not None]


@pytest.mark.parametrize("again", range(5))
def test_of_eight_that_create_one_wins(store: Store, again: int) -> None:
    """Exactly one of racing writers that ask for absence passes, and its content is what stays."""
    key = f"race/{again}"
    won = race(8, lambda number: store.put(key, b"%d" % number, PLAIN, condition=Absent()))
    assert len(won) == 1
    assert store.get(key)[0] == b"%d" % won[0]


@pytest.mark.parametrize("again", range(5))
def test_of_eight_that_replace_one_wins(store: Store, again: int) -> None:
    """Exactly one of racing writers that read the same etag passes."""
    key = f"race/{again}"
    etag = store.put(key, b"start", PLAIN).etag
    won = race(8, lambda number: store.put(key, b"%d" % number, PLAIN, condition=Matches(etag=etag)))
    assert len(won) == 1
    assert store.get(key)[0] == b"%d" % won[0]


def test_a_counter_under_eight_threads_loses_no_step(store: Store) -> None:
    """Read, write if unchanged, else again: the sum of all steps arrives."""
    store.put("counter", b"0", PLAIN)

    def step(_: int) -> None:
        for _ in range(3):
            while True:
                content, stat = store.get("counter")
                try:
                    store.put("counter", b"%d" % (int(content) + 1), PLAIN, condition=Matches(etag=stat.etag))
                except ConditionFailedError:
                    continue
                break

    assert len(race(8, step)) == 8
    assert store.get("counter")[0] == b"24"


def test_readers_never_see_a_mixture(store: Store) -> None:
    """Under overwriting, every get is one moment: the head belongs to the content."""
    done = threading.Event()

    def write() -> None:
        for number in range(40):
            store.put("a", b"x" * number, Attributes(metadata={"n": str(number)}))
        done.set()

    store.put("a", b"", Attributes(metadata={"n": "0"}))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not done.is_set():
            content, stat = store.get("a")
            assert stat.metadata == {"n": str(len(content))}
            assert stat.size == len(content)
            head = store.stat("a")
            assert head is not None
            assert head.metadata == {"n": str(head.size)}
    finally:
        writer.join()


def test_a_list_is_in_the_order_of_keys(store: Store) -> None:
    """Bytes decide the order, folders or not; a prefix is a beginning and need not end at a slash."""
    names = ["b", "a/b/c", "a-b", "a.b", "a/b", "a0", "ab/x", "a/a", "A", "a b", "~"]
    keys = [name for name in names if name != "a/b"]  # an object cannot be a folder too in a file system
    for key in reversed(keys):
        store.put(key, key.encode(), RICH)
    assert [stat.key for stat in store.list("")] == sorted(keys)
    assert [stat.key for stat in store.list("a")] == sorted(key for key in keys if key.startswith("a"))
    assert [stat.key for stat in store.list("a/")] == ["a/a", "a/b/c"]
    assert [stat.key for stat in store.list("a/b/")] == ["a/b/c"]
    assert list(store.list("b/")) == list(store.list("nothing/at/all")) == []
    for stat in store.list("a"):
        found = store.stat(stat.key)
        assert found is not None
        assert (stat.size, stat.etag) == (found.size, found.etag)


def test_a_long_list_is_whole(store: Store) -> None:
    """More keys than one page of a server holds all come."""
    keys = [f"many/{number:04}" for number in range(1_050)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b"", PLAIN), keys))
    assert [stat.key for stat in store.list("many/")] == keys


@pytest.mark.parametrize("key", HOSTILE)
def test_a_hostile_key_is_refused_everywhere(store: Store, key: str) -> None:
    """No operation lets a key through that could leave its prefix or that some store would not keep."""
    operations: list[Callable[[], object]] = [
        lambda: store.put(key, b"x", PLAIN),
        lambda: store.get(key),
        lambda: store.stat(key),
        lambda: store.copy(key, "a", PLAIN),
        lambda: store.copy("a", key, PLAIN),
        lambda: store.delete(key),
        lambda: store.url(key),
        lambda: store.link(key, 60),
    ]
    for operation in operations:
        with pytest.raises(ValueError, match="key"):
            operation()


@pytest.mark.parametrize("prefix", ["../", "/", "a/../b", "a//", "é", "a\n", ".skureel/", "a\\"])
def test_a_hostile_prefix_is_refused(store: Store, prefix: str) -> None:
    """A list cannot look outside either."""
    with pytest.raises(ValueError, match="key"):
        list(store.list(prefix))


def test_odd_but_printable_keys_work(store: Store) -> None:
    """Blanks, percent signs and punctuation mean nothing special."""
    for key in ODD:
        store.put(f"odd/{key}/{key}", key.encode(), PLAIN)
    assert [stat.key for stat in store.list("odd/")] == sorted(f"odd/{key}/{key}" for key in ODD)
    for key in ODD:
        assert store.get(f"odd/{key}/{key}")[0] == key.encode()
        store.copy(f"odd/{key}/{key}", f"copied/{key}", PLAIN)
        assert store.get(f"copied/{key}")[0] == key.encode()
        store.delete(f"odd/{key}/{key}")
    assert list(store.list("odd/")) == []


@pytest.mark.parametrize(
    "attributes",
    [
        Attributes(content_type=""),
        Attributes(content_type="text/plain\r\nx: y"),
        Attributes(cache_control="no-store\n"),
        Attributes(cache_control="öffentlich"),
        Attributes(metadata={"Upper": "x"}),
        Attributes(metadata={"a b": "x"}),
        Attributes(metadata={"": "x"}),
        Attributes(metadata={"a": "x" * 3000}),
        Attributes(metadata={"a": "红" * 300}),
        Attributes(tags={str(number): "x" for number in range(11)}),
        Attributes(tags={"a": "x&y=z"}),
        Attributes(tags={"": "x"}),
        Attributes(tags={"a": "x" * 257}),
    ],
)
def test_attributes_that_a_header_cannot_carry_are_refused(store: Store, attributes: Attributes) -> None:
    """The fault is named before anything is written, and it is the same one for every store."""
    store.put("a", b"one", PLAIN)
    operations: list[Callable[[], object]] = [
        lambda: store.put("b", b"x", attributes),
        lambda: store.copy("a", "b", attributes),
    ]
    for operation in operations:
        with pytest.raises(ValueError, match=r"content_type|cache_control|metadata|tag"):
            operation()
    assert store.stat("b") is None


def test_control_characters_in_metadata_come_back(store: Store) -> None:
    """Values are data: line ends in them are carried, and start no header."""
    hostile = {"a": "x\r\nx-amz-meta-evil: 1\x00\t", "b": "%0a%", "c": "", "d": "\u202e"}
    store.put("a", b"", Attributes(metadata=hostile))
    found = store.stat("a")
    assert found is not None
    assert found.metadata == hostile


def test_a_copy_has_the_content_and_its_own_head(store: Store) -> None:
    """Attributes are replaced, not inherited; the source stays; onto itself is a change of head."""
    store.put("a", b"content", RICH)
    attributes = Attributes(content_type="image/jpeg", cache_control="no-store", metadata={"n": "红"}, tags={"k": "v"})
    written = store.copy("a", "x/b", attributes)
    content, stat = store.get("x/b")
    assert content == b"content"
    assert stat == written
    assert (stat.content_type, stat.cache_control, stat.metadata) == ("image/jpeg", "no-store", {"n": "红"})
    assert store.get("a")[1].metadata == RICH.metadata
    store.copy("a", "a", PLAIN)
    assert store.get("a") == (b"content", store.stat("a"))
    assert store.get("a")[1].metadata == {}


def test_a_copy_overwrites(store: Store) -> None:
    """What lay at the target is gone."""
    store.put("a", b"new", PLAIN)
    store.put("b", b"old and longer", RICH)
    store.copy("a", "b", PLAIN)
    assert store.get("b")[0] == b"new"
