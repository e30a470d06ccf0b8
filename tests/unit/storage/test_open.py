"""Laws of opening a store from settings, and of the store that counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from consumer.observe.metrics import STORE_BYTES, STORE_SECONDS, Metrics
from consumer.settings import S3
from consumer.settings import Store as StoreSettings
from consumer.storage.files import FilesStore
from consumer.storage.metered import MeteredStore
from consumer.storage.open import open_store
from consumer.storage.s3 import S3Store
from consumer.storage.store import Attributes, ObjectNotFoundError, StoreError

SECRET = "very-secret-key"
KEYS = S3(access_key="me", secret_key=SecretStr(SECRET))


def changed(**fields: object) -> StoreSettings:
    """Settings of an S3 store with some fields changed."""
    return StoreSettings(kind="s3", s3=KEYS.model_copy(update=fields))


def test_the_kind_decides(tmp_path: Path) -> None:
    """Each kind of store comes from its settings, without a word to any server."""
    files = open_store(StoreSettings(path=tmp_path / "a", public_url="https://cdn.example"))
    assert isinstance(files, FilesStore)
    assert files.url("a") == "https://cdn.example/a"
    s3 = open_store(changed())
    assert isinstance(s3, S3Store)
    assert s3.url("a b") == "http://127.0.0.1:9000/skureel/a%20b"


def test_s3_addresses() -> None:
    """The server's own address has bucket and prefix; a public one stands for both."""
    assert open_store(changed(prefix="/team/x/")).url("a") == "http://127.0.0.1:9000/skureel/team/x/a"
    assert open_store(changed(endpoint="https://s3.eu-west-1.amazonaws.com", region="eu-west-1")).url("a") in {
        "https://skureel.s3.eu-west-1.amazonaws.com/a",
        "https://skureel.s3.dualstack.eu-west-1.amazonaws.com/a",
    }
    settings = changed(prefix="x").model_copy(update={"public_url": "https://cdn.example/"})
    assert open_store(settings).url("a/b") == "https://cdn.example/a/b"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", ""),
        ("endpoint", "127.0.0.1:9000"),
        ("endpoint", "ftp://host"),
        ("endpoint", "http://"),
        ("endpoint", "http://host:99999"),
        ("endpoint", "http://host:0"),
        ("endpoint", f"http://me:{SECRET}@host"),
        ("endpoint", "http://host/path"),
        ("endpoint", "http://host?x=1"),
        ("endpoint", "http://[::1"),
        ("endpoint", "http://no host"),
        ("bucket", "No"),
        ("bucket", "a/b"),
        ("bucket", ""),
        ("access_key", ""),
        ("secret_key", SecretStr("")),
        ("prefix", "../x"),
        ("prefix", "é"),
        ("region", "no region"),
    ],
)
def test_settings_that_cannot_work_are_named(field: str, value: object) -> None:
    """The fault is found at start, with its setting and without the secret."""
    with pytest.raises(StoreError) as caught:
        open_store(changed(**{field: value}))
    assert SECRET not in str(caught.value)
    assert f"store.s3.{field}" in str(caught.value)


def test_a_bad_public_address_is_named(tmp_path: Path) -> None:
    """For every kind of store."""
    for settings in (StoreSettings(path=tmp_path / "a"), changed()):
        with pytest.raises(StoreError, match=r"store\.public_url"):
            open_store(settings.model_copy(update={"public_url": "nonsense"}))


def test_no_secret_shows() -> None:
    """Neither the store nor what it is made of prints its key."""
    store = open_store(changed(), Metrics())
    assert isinstance(store, MeteredStore)
    for shown in (repr(store), str(store), repr(store.inside), repr(vars(store.inside))):
        assert SECRET not in shown
    assert "skureel" in repr(store)


def test_calls_are_counted(tmp_path: Path) -> None:
    """Time by operation, bytes both ways, failures too; what the store answers is passed on."""
    metrics = Metrics()
    store = open_store(StoreSettings(path=tmp_path / "a"), metrics)
    store.probe()
    written = store.put("a", b"12345", Attributes())
    assert store.get("a") == (b"12345", written)
    assert store.stat("a") == written
    store.copy("a", "b", Attributes())
    assert [stat.key for stat in store.list("")] == ["a", "b"]
    store.delete("b")
    with pytest.raises(ObjectNotFoundError):
        store.get("b")
    assert store.url("a").startswith("file://")
    for operation, calls in {"probe": 1, "put": 1, "get": 2, "stat": 1, "copy": 1, "delete": 1}.items():
        assert metrics.value(STORE_SECONDS, operation=operation) == calls
    assert metrics.value(STORE_BYTES, operation="put") == 5
    assert metrics.value(STORE_BYTES, operation="get") == 5


def test_time_is_measured_by_the_clock(tmp_path: Path) -> None:
    """The sum of a histogram is the time that passed."""
    metrics = Metrics()
    times = iter([10.0, 12.5])
    MeteredStore(FilesStore(tmp_path / "a"), metrics, lambda: next(times)).stat("a")
    assert metrics.registry.get_sample_value("skureel_store_seconds_sum", {"operation": "stat"}) == 2.5
