"""The nemesis at work: carries a schedule out on a site, each fault on a thread of its own, and heals all of it."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.services.errors import ServiceError
from tests.services.service import Service
from tests.soak.nemesis import Fault
from tests.soak.site import Site
from tests.soak.slots import Slot

TRIES = 5
"""How often a server is started again that does not come up: the machine may be busy."""


class Nemesis:
    """Strikes as scheduled, from ``start`` to ``stop``."""

    def __init__(self, site: Site, slots: Mapping[str, Slot], faults: Sequence[Fault], log: Path) -> None:
        self._site, self._slots, self._faults, self._log = site, slots, faults, log
        self._over = threading.Event()
        self._strikes: list[threading.Thread] = []
        self._writing = threading.Lock()
        self.done: Counter[str] = Counter()
        """Faults carried out, by what they were."""
        self.error: BaseException | None = None
        """Why a fault could not be healed: then the run proves nothing."""
        self._began = 0.0
        self._thread = threading.Thread(target=self._run, name="nemesis", daemon=True)

    def start(self) -> None:
        """Begin the schedule now."""
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Begin no more, heal what is going on, and wait until that is done. Raises what could not be healed."""
        self._over.set()
        self._thread.join()
        for strike in self._strikes:
            strike.join()
        for way in self._site.ways.values():
            way.answers.answers = lambda: True
            for link in way.by_name().values():
                link.heal()
        for service in self._site.services.values():
            service.resume()
            _up(service)
        for slot in self._slots.values():
            slot.send(signal.SIGCONT)
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        for fault in self._faults:
            if self._over.wait(max(0.0, fault.at - (time.monotonic() - self._began))):
                return
            strike = threading.Thread(target=self._strike, args=(fault,), name=f"strike-{fault.kind}", daemon=True)
            self._strikes.append(strike)
            strike.start()

    def _strike(self, fault: Fault) -> None:
        began = time.monotonic()
        try:
            if "/" in fault.target:
                self._network(fault)
            elif fault.target in self._slots:
                self._process(fault, self._slots[fault.target])
            else:
                self._service(fault, self._site.services[fault.target])
        except BaseException as error:  # noqa: BLE001 - told by stop()
            self.error = error
        sort = fault.target if fault.target in self._site.services else fault.target.partition("/")[0]
        what = f"{'link' if '/' in fault.target else sort.partition('-')[0]} {fault.kind}"
        with self._writing, self._log.open("a", encoding="utf-8") as log:
            self.done[what] += 1
            told = fault.to_json() | {
                "began": round(began - self._began, 2),
                "took": round(time.monotonic() - began, 2),
            }
            log.write(json.dumps(told) + "\n")

    def _process(self, fault: Fault, slot: Slot) -> None:
        if fault.kind == "kill":
            slot.send(signal.SIGKILL)
        elif fault.kind == "terminate":
            slot.leave()
        else:
            process = slot.process
            process.process.send_signal(signal.SIGSTOP)
            self._over.wait(fault.seconds)
            process.process.send_signal(signal.SIGCONT)

    def _service(self, fault: Fault, service: Service) -> None:
        if fault.kind == "pause":
            service.pause()
            self._over.wait(fault.seconds)
            service.resume()
            return
        if fault.kind == "kill":
            service.kill()
        else:
            service.stop()
        self._over.wait(fault.seconds)
        _up(service)

    def _network(self, fault: Fault) -> None:
        process, _, service = fault.target.partition("/")
        way = self._site.ways[process]
        link = way.by_name()[service]
        begin: Mapping[str, Callable[[], object]] = {
            "cut": link.cut,
            "hold": link.hold,
            "slow": lambda: link.slow(fault.delay),
            "lost answers": lambda: setattr(way.answers, "answers", lambda: False),
        }
        begin[fault.kind]()
        self._over.wait(fault.seconds)
        way.answers.answers = lambda: True
        link.heal()


def _up(service: Service) -> None:
    """Have a server run, however often it takes. Raises ServiceError."""
    for _ in range(TRIES - 1):
        with suppress(ServiceError):
            service.start()
            return
    service.start()
