"""From settings to a store: the one place that knows every kind there is."""

from __future__ import annotations

from consumer.observe.metrics import Metrics
from consumer.settings import Store as StoreSettings
from consumer.storage.files import FilesStore
from consumer.storage.metered import MeteredStore
from consumer.storage.s3 import S3Store
from consumer.storage.store import Store, StoreError


def open_store(settings: StoreSettings, metrics: Metrics | None = None) -> Store:
    """The store of these settings, not yet probed. Raises StoreError naming the setting that cannot work."""
    store: Store
    try:
        if settings.kind == "s3":
            store = S3Store(settings.s3, settings.public_url)
        else:
            store = FilesStore(settings.path, settings.public_url)
    except ValueError as error:
        raise StoreError(str(error)) from error
    return store if metrics is None else MeteredStore(store, metrics)
