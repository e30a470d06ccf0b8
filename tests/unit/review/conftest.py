"""A small installation of embedded parts with rejected clips in it: broker, files store, SQLite; and its commands."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from consumer.events import Cause, Reason, VideoRejected, Work, utc_now
from consumer.operate.publish import send
from consumer.operate.reading import partitions_of, read
from consumer.operate.review_records import Decision, Decisions, Verdict, Word
from consumer.planner.catalog import Catalog
from consumer.planner.ledger import Ledger
from consumer.planner.outbox import Outbox
from consumer.planner.tables import ProductRow
from consumer.renderer.announce import rejected
from consumer.renderer.library import BaseRecord, Library
from consumer.settings import Topics, load
from consumer.storage import layout
from consumer.storage.files import FilesStore
from consumer.storage.store import Store
from consumer.stream.types import Output, Partition, Record
from model.encode import encode_base
from model.recipe import Recipe
from tests.commands import embedded, leave_settings
from tests.engines import moving_gradient
from tests.unit.renderer.conftest import CODEC, NOW, recipe, request

POLICY = "strict-1+0123456789ab"


@dataclass
class Shop:
    """What the commands of this folder work on."""

    catalog: Catalog
    library: Library
    bootstrap: str

    def plan(self, product: str, revision: int = 1, made_of: Recipe | None = None) -> Output:
        """Keep a plan as the planner does; gives its request."""
        made = made_of or recipe(seed=sum(product.encode()))
        row, said = Outbox(CODEC, Topics(), "default").plan(
            product,
            revision,
            Work.RENDER,
            recipe=made,
            digests=made.digests,
            cause=Cause(event_id="e", product_revision=revision),
            batch=f"b-{revision}",
            now=NOW,
        )
        known = ProductRow(product, revision, False, "home", "STANDARD", "en", "[]", b"{}", 0, revision, 0, 0)

        def save(ledger: Ledger) -> None:
            ledger.save_products([known])
            ledger.save_plans([row])

        self.catalog.transaction(save)
        return said

    def quarantine(self, made_of: Recipe, message: str = "too warm") -> BaseRecord:
        """A rejected attempt in the store."""
        record = BaseRecord(
            digest=made_of.scene.digest,
            accepted=False,
            engine_seconds=2.0,
            generative=False,
            scores={"cast": 0.3},
            policy=POLICY,
            reasons=(("cast", message),),
            action="review",
        )
        return self.library.put_rejected(record, encode_base(moving_gradient(made_of.scene), made_of.scene.fps))

    def reject(self, product: str, revision: int = 1, *made_of: Recipe) -> VideoRejected:
        """Plan a product's clip, and have every attempt rejected: the event, as it was published."""
        made = made_of or (recipe(seed=sum(product.encode())),)
        self.plan(product, revision, made[0])
        records = [self.quarantine(each) for each in made]
        event = rejected(request(product, revision, made[0]), records, NOW + timedelta(seconds=revision))
        self.publish(event)
        return event

    def publish(self, event: VideoRejected, **changes: Any) -> None:
        """Put a rejection on its topic."""
        value, content = CODEC.encode("video-rejected", replace(event, **changes).to_avro())
        self.raw("video-rejected", event.product_id, value, content)

    def raw(self, topic: str, key: str, value: bytes, headers: Any = ()) -> None:
        """Put any record on a topic."""
        send({"bootstrap.servers": self.bootstrap}, [Output(topic, key.encode(), value, list(headers))])

    def requests(self) -> list[Record]:
        """What was published to clip-render."""
        options = {"bootstrap.servers": self.bootstrap}
        counts = partitions_of(options, {"clip-render"})
        return list(read(options, {Partition("clip-render", n): 0 for n in range(counts["clip-render"])}))

    def decided(self) -> list[str]:
        """The keys of all decisions."""
        return [stat.key for stat in self.library.store.list(layout.REVIEWS)]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shop]:
    """An empty installation in a folder of its own, which commands of this process find."""
    leave_settings(monkeypatch, tmp_path)
    settings = load()
    url = settings.database.url.get_secret_value()
    catalog = Catalog.open(url)
    with embedded("video-rejected", "video-ready", "clip-render") as broker:
        yield Shop(catalog, Library(FilesStore(settings.store.path)), broker.bootstrap)
    catalog.close()


def decision(base: str, reviewer: str, verdict: Verdict = Verdict.APPROVED) -> Decision:
    """A decision about a clip of a product nobody knows."""
    event = VideoRejected(
        event_id="ab" * 16,
        occurred_at=NOW,
        product_id="p",
        revision=1,
        cause=Cause(event_id="e", product_revision=1),
        reasons=(Reason(check="cast", message="too warm"),),
        base_digest=base,
        quarantine_key=layout.quarantine_key(base),
    )
    word = Word(reviewer=reviewer, reason="intended", note="黄铜")
    return Decision(
        base_digest=base,
        verdict=verdict,
        word=word,
        at=utc_now(),
        policy=None,
        event=event,
        place="t/0/1",
        attempt=base,
    )


def one_stands(store: Store) -> None:
    """Eight decide about one clip at once: whoever asks is told the same decision, and it reads back as written."""
    decisions, base, start = Decisions(store), "0" * 64, Barrier(8)

    def decide(number: int) -> Decision:
        start.wait()
        return decisions.decide(decision(base, f"r-{number}", Verdict.APPROVED if number % 2 else Verdict.REJECTED))

    with ThreadPoolExecutor(8) as threads:
        stands = list(threads.map(decide, range(8)))
    assert len({each.word.reviewer for each in stands}) == 1
    found = decisions.read(base)
    assert found is not None
    assert stands == [found[0]] * 8
