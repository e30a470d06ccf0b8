"""The faults that skureel is to survive, by number: what happens, and what is expected then. Runs nothing.

A test proves a row when its name begins with ``test_fault_`` and the row's number, wherever in the tests it lies.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One fault."""

    fault: str
    expected: str


ROWS = {
    1: Row("SIGKILL while a clip is rendered", "made again; exactly one committed event, one clip"),
    2: Row("SIGKILL after the upload, before the commit", "not rendered again; one event"),
    3: Row("SIGKILL between the offsets and the commit", "aborted; a reader of committed records sees none, then one"),
    4: Row("SIGTERM in the middle of work", "drains or hands back in its grace, leaves the group, begins nothing new"),
    5: Row("frozen past the session timeout, then woken", "the zombie is fenced; nothing twice"),
    6: Row(
        "a second replica joins in the middle of work", "each record once, under every protocol; nobody is expelled"
    ),
    7: Row("a partition leaves and comes back in the middle of work", "the old result is discarded; not stuck paused"),
    8: Row("work longer than the poll interval", "no eviction"),
    9: Row("the engine hangs", "killed, started again, its clip made"),
    10: Row("device memory runs out", "tried again alone; no dead letter at once"),
    11: Row("the broker is restarted, in order and by a kill", "nothing lost, nothing twice"),
    12: Row("no answer from the coordinator during a transaction", "the watchdog gives the call up; nothing twice"),
    13: Row(
        "the answer to the end of a transaction is late or lost", "the group is asked; nothing lost, nothing twice"
    ),
    14: Row("the producer's epoch is taken", "the producer is made anew; the process stays up"),
    15: Row("bytes that cannot be read", "a dead letter with bytes and reason; the rest goes on"),
    16: Row("the registry is down, wrong or slow", "an outage: waited for, never a dead letter"),
    17: Row("a schema evolved", "defaults and missing fields are read; what is incompatible is refused"),
    18: Row("tombstones, null keys, empty values, hostile records", "a defined end each; the process stays up"),
    19: Row("the store is out, or says no", "no event before the clip is whole; an outage waits, a refusal stops"),
    20: Row("the same event twice", "one clip; the second is a counted skip"),
    21: Row("a newer revision before the older one is begun", "the older one is skipped, counted and committed"),
    22: Row("an older event after a newer clip", "skipped as stale"),
    23: Row(
        "the topic of dead letters is missing", "nothing is committed and nothing dropped; goes on when it is there"
    ),
    24: Row("nothing but poison", "the breaker stops consumption, says so, and closes by itself"),
    25: Row("poison is replayed", "no loop; the count rises"),
    26: Row("one partition waits for what is out for it", "it is paused; the others flow"),
    27: Row("the committed offset was deleted by retention", "stop, or go on by explicit policy"),
    28: Row("an output larger than the broker takes", "a dead letter; the transaction is aborted cleanly"),
    29: Row("partitions are added while running", "read from their beginning"),
    30: Row("one partition of a mixed batch leaves", "only what is still held commits"),
}
