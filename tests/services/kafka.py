"""A real Kafka broker from its jars: one node, broker and controller in one, that starts fast and keeps everything."""

import base64
import subprocess
import uuid
from pathlib import Path
from typing import Any

from tests.services import environment, fetch, programs
from tests.services.addresses import KafkaAddress
from tests.services.cache import Say, say
from tests.services.errors import ServiceError
from tests.services.ports import LOOPBACK, free_port
from tests.services.service import Service

# Small and quick to start, not to compile: what the tests need of a broker is its truth, not its speed.
JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
FORMAT_S = 60.0

PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "num.partitions": "4",
    "auto.create.topics.enable": "false",
    # Whatever the tests write stays: a run of months-old event times must not be swept away.
    "log.retention.ms": "-1",
    "log.retention.bytes": "-1",
    "log.cleaner.dedupe.buffer.size": "16777216",
    # One node: nothing can have a second replica.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # 50 each by default, and a second of work for the first consumer and producer.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    # Members come and go fast, and a dead one is missed soon; a test may ask for as little as a second.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "500",
    # After a kill the broker may register again only when its last registration has run out.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # A transaction whose producer was killed is aborted within a second of its timeout.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}

_LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n%throwable
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""


class Kafka(Service):
    """A Kafka broker of our own.

    Args:
        folder: see `Service`.
        port: see `Service`.
        controller_port: where the controller listens; default: a free port.
        auto_create_topics: whether a topic appears when somebody asks for it.
        properties: broker settings over those in `PROPERTIES`.
        outlive: see `Service`.
        tell: see `Service`.
    """

    name = "kafka"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int | None = None,
        controller_port: int | None = None,
        auto_create_topics: bool = False,
        properties: dict[str, str] | None = None,
        outlive: bool = False,
        tell: Say = say,
    ) -> None:
        super().__init__(folder, port=port, outlive=outlive, tell=tell)
        self.controller_port = controller_port or free_port({self.port})
        automatic = {"auto.create.topics.enable": str(auto_create_topics).lower()}
        self.properties = PROPERTIES | automatic | (properties or {})

    @property
    def address(self) -> KafkaAddress:
        """Where it is."""
        return KafkaAddress(f"{LOOPBACK}:{self.port}")

    @property
    def bootstrap(self) -> str:
        """`host:port`, as clients want it."""
        return self.address.bootstrap

    @property
    def address_text(self) -> str:
        """`host:port`."""
        return self.bootstrap

    def create_topics(self, topics: dict[str, int]) -> None:
        """See `KafkaAddress.create_topics`."""
        self.address.create_topics(topics)

    def check(self) -> None:
        """See `KafkaAddress.check`; impatient, since the caller asks again."""
        self.address.check(timeout_s=1.0)

    def _prepare(self) -> None:
        self._write_settings()
        # A cluster id is 16 bytes in URL-safe base64; one with a hyphen in front reads as an option.
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        command = self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._settings_file))
        done = subprocess.run(
            command,
            env=environment.with_changes(self._settings()),
            capture_output=True,
            text=True,
            timeout=FORMAT_S,
            check=False,
        )
        if done.returncode:
            raise ServiceError(f"Kafka could not format {self.folder}:\n{done.stdout}{done.stderr}")

    def _command(self) -> list[str]:
        self._write_settings()
        return self._java("kafka.Kafka", str(self._settings_file))

    def _java(self, program: str, *arguments: str) -> list[str]:
        logging = self.folder / "log4j2.properties"
        logging.write_text(_LOGGING)
        classpath = f"{fetch.kafka_jars(self.tell)}/*"
        options = [*JVM, f"-Dlog4j2.configurationFile={logging}", "-cp", classpath]
        return [str(programs.java()), *options, program, *arguments]

    @property
    def _settings_file(self) -> Path:
        return self.folder / "server.properties"

    def _write_settings(self) -> None:
        own = {
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{LOOPBACK}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{self.controller_port}",
            "log.dirs": str(self.folder / "data"),
        }
        lines = [f"{key}={value}\n" for key, value in (self.properties | own).items()]
        self._settings_file.write_text("".join(lines))

    def _settings(self) -> dict[str, str | None]:
        # Options meant for other Java programs of this machine have no business here.
        return {"JAVA_TOOL_OPTIONS": None, "CLASSPATH": None}

    def _secrets(self) -> dict[str, Any]:
        return {"controller_port": self.controller_port}

    def _recall(self, state: dict[str, Any]) -> None:
        self.controller_port = state["controller_port"]
