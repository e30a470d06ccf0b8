"""After the log is gone: every request that was not answered belongs to a batch that is published anew.

For the embedded broker, which forgets when it stops. On a real broker the log itself remembers.
"""

from __future__ import annotations

import json
import secrets

from consumer.events import utc_now
from consumer.planner.catalog import Catalog
from consumer.planner.ledger import Ledger
from consumer.planner.tables import PLANNED, BatchRow, milliseconds


def reopen_outstanding(catalog: Catalog, topic: str, partitions: int, variant: str = "default") -> int:
    """Put every unanswered request into a new batch of all partitions of ``topic``; gives how many.

    Whoever is assigned one of the partitions publishes them again, with the same revisions and ids.
    Raises UnavailableError.
    """

    def reopen(ledger: Ledger) -> int:
        products = ledger.unanswered()
        if products:
            batch = f"reopened-{secrets.token_hex(8)}"
            everywhere = json.dumps([[topic, number] for number in range(partitions)])
            now = milliseconds(utc_now())
            ledger.add_batch(BatchRow(batch, "reopen", everywhere, json.dumps(products), PLANNED, now))
            ledger.move_plans(products, variant, batch)
        return len(products)

    return catalog.transaction(reopen)
