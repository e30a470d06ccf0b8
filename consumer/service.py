"""The process: builds the roles from settings, runs their loops, answers health checks, drains on a signal."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType

import structlog
from confluent_kafka import KafkaException, Producer

from consumer import __version__
from consumer.events import utc_now
from consumer.observe import logs
from consumer.observe import metrics as m
from consumer.observe.health import Health
from consumer.observe.http import HealthServer, PortError
from consumer.planner.catalog import Catalog
from consumer.planner.configured import prompts_of, rules_of
from consumer.planner.errors import CatalogError
from consumer.planner.fanout import FanOutOptions
from consumer.planner.planner import PlannerHandler
from consumer.planner.prompting.rulebook import RuleError
from consumer.planner.prompting.schema import TemplateError
from consumer.planner.reopen import reopen_outstanding
from consumer.policy import POLICY
from consumer.renderer.configured import fallback_of, renderer_options
from consumer.renderer.photos import Photos
from consumer.renderer.renderer import Renderer
from consumer.roles import Role
from consumer.settings import Settings
from consumer.storage.open import open_store
from consumer.storage.store import Store, StoreError, StoreUnavailableError
from consumer.stream.batch import BatchOptions, BatchWorker
from consumer.stream.breaker import BreakerOptions
from consumer.stream.embedded import EmbeddedBroker
from consumer.stream.errors import OptionsError, TopicsError
from consumer.stream.loop import Loop
from consumer.stream.options import StreamOptions
from consumer.stream.schemas import SchemaError
from consumer.stream.topics import ensure_topics
from consumer.stream.types import UnavailableError, Worker
from consumer.wiring import (
    DRESSER,
    PLANNER,
    RENDERER,
    PlanningError,
    all_topics,
    client_options,
    engine_of,
    forget_embedded,
    group_of,
    guarded_engine,
    open_codec,
    planning_of,
    remember_embedded,
    topics_read,
)
from model.engine import Engine, EngineError
from model.inspect import PolicyError
from model.inspect.judges import JudgeError
from model.provenance import CredentialsError

log = structlog.get_logger(__name__)

ROLES = ("all", PLANNER, RENDERER, DRESSER)
METADATA_SECONDS = 15.0
"""How long the broker may take to say who it is."""
REQUESTS_FETCHED, REQUESTS_WAIT = 64 * 1024, 0.05
"""Bytes of a partition fetched at once (some forty clip requests) and seconds that the broker may hold such a fetch: a
lane without room is paused, which throws away what was fetched ahead, and flows again after the fetch under way."""
WATCH_SECONDS = 0.5
"""How often the main thread looks whether a loop has ended by itself."""


class ServiceError(Exception):
    """Raised when the service cannot start. ``configuration`` tells a wrong setting from a part that is out."""

    def __init__(self, message: str, *, configuration: bool) -> None:
        super().__init__(message)
        self.configuration = configuration


_CONFIGURATION = (
    OptionsError,
    SchemaError,
    TemplateError,
    RuleError,
    NotADirectoryError,
    StoreError,
    EngineError,
    PolicyError,
    JudgeError,
    CredentialsError,
    PlanningError,
    PortError,
    CatalogError,
)
_OUT = (UnavailableError, StoreUnavailableError, TopicsError, KafkaException)
"""Asked first: an unavailable store is a store error too."""


def roles_of(settings: Settings, role: str) -> tuple[str, ...]:
    """The roles that run where ``role`` is asked for; ``all`` leaves no topic without a reader."""
    if role != "all":
        return (role,)
    return (PLANNER, RENDERER) if settings.renderer.dress else (PLANNER, RENDERER, DRESSER)


class Service:
    """One process's roles. ``start`` builds and runs them, ``stop`` drains and closes; both once."""

    def __init__(self, settings: Settings, role: str) -> None:
        self.settings = settings
        self.metrics = m.Metrics()
        self.health = Health()
        self.bootstrap = settings.kafka.bootstrap
        self.cluster = ""
        self.http: HealthServer | None = None
        self._names = roles_of(settings, role)
        self._roles: dict[str, Role] = {}
        self._closing = ExitStack()
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The object store; there is one once the service has started."""
        assert self._store is not None  # noqa: S101 - a programming error, not an input
        return self._store

    def start(self) -> None:
        """Build the parts, then run the loops. Raises ServiceError; nothing is left behind then."""
        try:
            self._open()
        except _OUT as error:
            self._closing.close()
            raise ServiceError(str(error), configuration=False) from error
        except _CONFIGURATION as error:
            self._closing.close()
            raise ServiceError(str(error), configuration=True) from error
        except BaseException:
            self._closing.close()
            raise
        # What is there by now is the program, and stays: looking through it would stop all threads for 0.1 s at a time.
        gc.collect()
        gc.freeze()
        for name, role in self._roles.items():
            self.health.watch_life(name, partial(role.life, self.settings.observe.stuck_after))
            self.health.watch_readiness(name, role.readiness)
            self.health.watch_notes(name, role.notes)
            role.loop.start()
        log.info("started", roles=list(self._roles), broker=self.bootstrap, cluster=self.cluster, version=__version__)

    def _open(self) -> None:
        settings = self.settings
        engine = self._engine()
        self._store = open_store(settings.store, self.metrics)
        log.info("store", kind=settings.store.kind, capabilities=str(self._store.probe()))
        self._find_broker()
        self.metrics.set(m.BUILD_INFO, 1, version=__version__, engine=engine.spec.name if engine else "none")
        if PLANNER in self._names and engine is not None:
            self._roles[PLANNER] = self._planner(engine)
        if RENDERER in self._names and engine is not None:
            self._roles[RENDERER] = self._renderer(engine)
        if DRESSER in self._names:
            self._roles[DRESSER] = self._dresser()
        observe = settings.observe
        self.http = self._closing.enter_context(HealthServer(self.health, self.metrics, observe.host, observe.port))
        log.info("listening", url=self.http.url)

    def _engine(self) -> Engine | None:
        """The configured engine, for those who need one: the planner asks it what it is, the renderer starts it.

        Only a started one needs a guard. A dresser has none, and asks for none.
        """
        if RENDERER in self._names:
            return guarded_engine(self.settings)
        return engine_of(self.settings) if PLANNER in self._names else None

    def _find_broker(self) -> None:
        """Start the embedded broker or ask the real one who it is, and see that the topics are there."""
        kafka = self.settings.kafka
        wanted = all_topics(self.settings)
        if kafka.embedded:
            broker = self._closing.enter_context(EmbeddedBroker(wanted, kafka.partitions))
            self.bootstrap = broker.bootstrap
            self.cluster = f"embedded-{uuid.uuid4().hex}"
            remember_embedded(self.bootstrap)
            self._closing.callback(forget_embedded)
            return
        client = self._client()
        if kafka.create_topics:
            ensure_topics(
                kafka.bootstrap, wanted, partitions=kafka.partitions, replication=kafka.replication, client=client
            )
        producer = Producer({**client, "bootstrap.servers": kafka.bootstrap})
        try:
            self.cluster = producer.list_topics(timeout=METADATA_SECONDS).cluster_id or kafka.bootstrap
        except KafkaException as error:
            raise UnavailableError("broker", f"{kafka.bootstrap}: {error.args[0].str()}") from error

    def _client(self) -> dict[str, str]:
        """What every client is told besides where the broker is."""
        client = client_options(self.settings.kafka, self.bootstrap)
        return {name: value for name, value in client.items() if name not in {"bootstrap.servers", "client.id"}}

    def _group(self, role: str) -> str:
        return group_of(self.settings, role)

    def _planner(self, engine: Engine) -> Role:
        settings = self.settings
        url = settings.database.url.get_secret_value()
        catalog = Catalog.open(url, settings.database.timeout)
        self._closing.callback(catalog.close)
        if settings.kafka.embedded:
            # The log of the last run is gone, and with it every request that was not answered.
            reopened = reopen_outstanding(catalog, settings.topics.product_created, settings.kafka.partitions)
            if reopened:
                log.info("requests reopened", requests=reopened)
        handler = PlannerHandler(
            catalog=catalog,
            prompts=prompts_of(settings),
            planning=planning_of(settings, engine.spec),
            codec=open_codec(settings),
            topics=settings.topics,
            metrics=self.metrics,
            group=self._group(PLANNER),
            on_demand=settings.planner.long_tail == "on_demand",
            fan_out=FanOutOptions(page=settings.planner.page),
            rules=rules_of(settings),
            audit_days=settings.planner.audit_days,
        )
        options = BatchOptions(records=settings.kafka.batch)
        worker = BatchWorker(
            handler, self.metrics, role=PLANNER, group=self._group(PLANNER), options=options, judge=POLICY.judge
        )
        return Role(self._loop(PLANNER, topics_read(self.settings, PLANNER), worker, lease="run"))

    def _renderer(self, engine: Engine) -> Role:
        worker = self._worker(RENDERER, engine)
        loop = self._loop(RENDERER, topics_read(self.settings, RENDERER), worker, lease="record")
        return Role(loop, worker.ready.is_set, worker.last_sign, worker.stuck, worker.notes)

    def _dresser(self) -> Role:
        """The same work without an engine: what needs one is handed over to the renderers."""
        return Role(
            self._loop(DRESSER, topics_read(self.settings, DRESSER), self._worker(DRESSER, None), lease="record")
        )

    def _worker(self, role: str, engine: Engine | None) -> Renderer:
        settings = self.settings
        return Renderer(
            renderer_options(settings, role, group=self._group(role), cluster=self.cluster),
            engine=engine,
            store=self.store,
            codec=open_codec(settings),
            photos=Photos(self.store, settings.renderer.photo_hosts),
            metrics=self.metrics,
            clock=utc_now,
            fallback=fallback_of(settings, engine.spec) if engine else None,
        )

    def _loop(self, role: str, topics: list[str], worker: Worker, *, lease: str) -> Loop:
        kafka, single = self.settings.kafka, lease == "record"
        options = StreamOptions(
            bootstrap=self.bootstrap,
            group=self._group(role),
            instance=kafka.instance or socket.gethostname(),
            delivery="exactly_once" if kafka.exactly_once else "at_least_once",
            protocol=kafka.protocol,
            client=self._client(),
            batch=self.settings.renderer.look_ahead if single else kafka.batch,
            fetch_bytes=REQUESTS_FETCHED if single else StreamOptions.fetch_bytes,
            fetch_wait=REQUESTS_WAIT if single else StreamOptions.fetch_wait,
            transaction_timeout=kafka.transaction_timeout,
            session_timeout=kafka.session_timeout,
            drain_timeout=kafka.drain_timeout,
            breaker=BreakerOptions(**kafka.breaker.model_dump()),
        )
        return Loop(options, topics, worker, self.metrics, role=role, lease="record" if single else "run")

    def unready(self) -> str:
        """Why the service is not ready, or nothing."""
        return "; ".join(f"{name}: {reason}" for name, reason in self.health.ready().reasons.items())

    def wait_ready(self, timeout: float) -> bool:
        """Wait until every role is ready and holds partitions. Raises what a loop failed with."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.check()
            if not self.unready() and all(role.loop.status().assigned for role in self._roles.values()):
                return True
            time.sleep(0.05)
        return False

    def check(self) -> bool:
        """True while every loop runs. Raises ServiceError with what a loop failed with."""
        running = True
        for name, role in self._roles.items():
            try:
                running = not role.loop.join(0) and running
            except Exception as error:
                raise ServiceError(f"{name} stopped: {error}", configuration=False) from error
        return running

    def dead_letters(self) -> float:
        """Dead letters written by this process."""
        samples = (s for family in self.metrics.registry.collect() for s in family.samples)
        return sum(sample.value for sample in samples if sample.name == m.DEAD_LETTERS.name)

    # The end.

    def stuck(self) -> bool:
        """After ``close``: True when a thread sits in a call that does not return."""
        return any(role.stuck() for role in self._roles.values())

    def stop(self) -> None:
        """Ask every loop to drain; returns at once."""
        for role in self._roles.values():
            role.loop.stop()

    def abandon(self) -> None:
        """Ask every loop to stop without finishing; returns at once."""
        for role in self._roles.values():
            role.loop.abandon()

    def close(self) -> None:
        """Wait for the loops to end, then free everything else. Idempotent."""
        budget = self.settings.kafka.drain_timeout + METADATA_SECONDS
        for name, role in self._roles.items():
            try:
                if not role.loop.join(budget):
                    log.error("did not stop in time", role=name, seconds=budget)
            except Exception as error:  # noqa: BLE001 - what a loop failed with was told by check
                log.debug("ended with an error", role=name, error=str(error))
        self._closing.close()
        gc.unfreeze()


@contextmanager
def running(settings: Settings, role: str) -> Iterator[Service]:
    """A started service; drained and closed at the end of the block. Raises ServiceError."""
    observe = settings.observe
    instance = settings.kafka.instance or socket.gethostname()
    logs.configure(log_format=observe.log_format, level=observe.log_level, role=role, instance=instance)
    service = Service(settings, role)
    service.start()
    try:
        yield service
    finally:
        service.stop()
        service.close()


def run(settings: Settings, role: str) -> int:
    """Run until a signal. Gives the exit code: 0 after a drain, 1 when a role failed. Raises ServiceError at start."""
    stopping = threading.Event()
    with running(settings, role) as service:
        previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def stop(number: int, _: FrameType | None) -> None:
            for each, handler in previous.items():
                signal.signal(each, handler)  # a second signal ends the process at once
            log.info("stopping", signal=signal.Signals(number).name, drain_seconds=settings.kafka.drain_timeout)
            stopping.set()

        for number in previous:
            signal.signal(number, stop)
        code = _watched(service, stopping)
    if code == 0:
        log.info("stopped")
    if service.stuck():
        # The interpreter's own end would wait for the driver that the call is stuck in.
        log.error("ending without waiting for an engine that does not return")
        logging.shutdown()
        os._exit(code or 1)
    return code


def _watched(service: Service, stopping: threading.Event) -> int:
    """Wait for the signal or for a loop's end. Gives the exit code."""
    try:
        while not stopping.wait(WATCH_SECONDS):
            if not service.check():
                break
    except ServiceError as error:
        log.error("failed", error=str(error))  # noqa: TRY400 - the loop logged its traceback
        service.abandon()
        return 1
    return 0
