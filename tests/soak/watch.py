"""Looks at the store all through a run, past the nemesis: since when base clips are there, which way aliases go."""

from __future__ import annotations

import json
import random
import threading
import time
from typing import Any

import urllib3
from minio.error import S3Error

from tests.harness import World
from tests.soak.observed import Glance

EVERY = 2.0
LOOKS = 8
"""Aliases looked at a round."""
PATIENCE = 2.0
"""Seconds that the store may take; it is often out."""


class Watch:
    """A thread that looks, until it is stopped."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._chance = random.Random(f"{seed}/watch")
        self._client = world.s3.client(PATIENCE)
        self.stored: dict[str, float] = {}
        self.glances: list[Glance] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(EVERY):
            try:
                self._look()
            except (S3Error, urllib3.exceptions.HTTPError, OSError):
                continue  # it is out

    def _look(self) -> None:
        bases = self._names("base/", ".json")
        now = time.time()
        for name in bases:
            self.stored.setdefault(name.rpartition("/")[2].removesuffix(".json"), now)
        aliases = self._names("products/", "/current.json")
        for name in self._chance.sample(aliases, min(LOOKS, len(aliases))):
            alias = read_json(self._client, self._world.bucket, name)
            event = alias["announcement"]
            self.glances.append(Glance(at=time.time(), product=event["product_id"], revision=alias["revision"]))

    def _names(self, prefix: str, ending: str) -> list[str]:
        found = self._client.list_objects(self._world.bucket, prefix=prefix, recursive=True)
        return sorted(name for each in found if (name := str(each.object_name)).endswith(ending))


def read(client: Any, bucket: str, name: str) -> bytes:
    """An object's bytes."""
    reply = client.get_object(bucket, name)
    try:
        return bytes(reply.read())
    finally:
        reply.close()
        reply.release_conn()


def read_json(client: Any, bucket: str, name: str) -> Any:
    """An object's JSON."""
    return json.loads(read(client, bucket, name))
