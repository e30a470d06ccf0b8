"""skureel as its users run it: processes with an environment, watched from the outside, killed when a test says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from consumer.operate.publish import Line, encode_lines, send
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from tests.services import KafkaAddress, S3Address
from tests.services.addresses import unique

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 90.0
EVENT_TOPICS = (
    "product_created",
    "promo_changed",
    "clip_render",
    "clip_render_bulk",
    "clip_dress",
    "video_ready",
    "video_rejected",
)


@dataclass(frozen=True, kw_only=True)
class World:
    """One installation of its own on shared servers: topics, groups, bucket and database by unique names."""

    kafka: KafkaAddress
    s3: S3Address
    bucket: str
    database_url: str
    folder: Path
    engine: str = "tests.engines:fast"
    size: str = "160x120"
    seconds: float = 1.0
    partitions: int = 4
    extra: Mapping[str, str] = field(default_factory=dict)
    name: str = field(default_factory=lambda: unique("w"))

    def topic(self, name: str) -> str:
        """The real name of one of our topics."""
        return f"{self.name}-{name.replace('_', '-')}"

    def environment(self, **more: str) -> dict[str, str]:
        """What a process of this world finds in its environment."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("SKUREEL_")},
            "PYTHONPATH": str(ROOT),
            "SKUREEL_KAFKA__BOOTSTRAP": self.kafka.bootstrap,
            "SKUREEL_KAFKA__GROUP_PREFIX": self.name,
            "SKUREEL_KAFKA__PARTITIONS": str(self.partitions),
            "SKUREEL_KAFKA__SESSION_TIMEOUT": "3",
            "SKUREEL_KAFKA__TRANSACTION_TIMEOUT": "10",
            "SKUREEL_KAFKA__INSTANCE": "test-0",
            **{f"SKUREEL_TOPICS__{name.upper()}": self.topic(name) for name in EVENT_TOPICS},
            "SKUREEL_STORE__KIND": "s3",
            "SKUREEL_STORE__S3__ENDPOINT": f"http://{self.s3.endpoint}",
            "SKUREEL_STORE__S3__BUCKET": self.bucket,
            "SKUREEL_STORE__S3__ACCESS_KEY": self.s3.access_key,
            "SKUREEL_STORE__S3__SECRET_KEY": self.s3.secret_key,
            "SKUREEL_DATABASE__URL": self.database_url,
            "SKUREEL_ENGINE__NAME": self.engine,
            "SKUREEL_CLIP__SIZE": self.size,
            "SKUREEL_CLIP__SECONDS": str(self.seconds),
            "SKUREEL_OBSERVE__PORT": "0",
            "SKUREEL_OBSERVE__LOG_FORMAT": "json",
            "SKUREEL_TEST_RENDER_LOG": str(self.folder / "renders.log"),
            **self.extra,
            **more,
        }

    def command(self, *arguments: str, stdin: str | None = None, timeout: float = 120.0) -> str:
        """Run a command to its end; gives its output. Fails with its error text."""
        done = subprocess.run(
            [sys.executable, "-m", "consumer", *arguments],
            env=self.environment(),
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"skureel {' '.join(arguments)}: exit {done.returncode}\n{done.stderr[-4000:]}"
        return done.stdout

    def publish(self, topic: str, values: Iterable[dict[str, Any]]) -> None:
        """Publish events by the functions of the command that users have, in this process: a second faster."""
        name = self.topic(topic)
        codec = SingleObjectCodec(schemas.load(topics={name: topic.replace("_", "-")}))
        lines = [Line(number, json.dumps(value, ensure_ascii=False)) for number, value in enumerate(values, 1)]
        send({"bootstrap.servers": self.kafka.bootstrap}, encode_lines(codec, name, lines))

    def renders(self) -> list[str]:
        """The scene digests that were rendered, in order, by whatever process."""
        log = self.folder / "renders.log"
        return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


class Process:
    """One ``skureel run``."""

    def __init__(self, world: World, role: str = "all", **environment: str) -> None:
        self.world, self.role = world, role
        self.log = world.folder / f"{role}-{unique('p')}.log"
        self._url: str | None = None
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "consumer", "run", "--role", role],
                env=world.environment(**environment),
                cwd=world.folder,
                stdout=log,
                stderr=log,
            )

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far, line by line."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append({"event": line})
        return found

    @property
    def url(self) -> str:
        """Where it answers health checks; waits until it says so."""
        deadline = time.monotonic() + START_SECONDS
        while self._url is None:
            assert self.process.poll() is None, f"{self.role} ended:\n{self.tail()}"
            assert time.monotonic() < deadline, f"{self.role} did not listen:\n{self.tail()}"
            self._url = next((str(line["url"]) for line in self.lines() if line.get("event") == "listening"), None)
            time.sleep(0.02)
        return self._url

    def get(self, path: str) -> tuple[int, str]:
        """One of its pages."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as reply:  # noqa: S310 - our own loopback page
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            head, _, value = line.rpartition(" ")
            if head.partition("{")[0] == name and all(f'{key}="{text}"' in head for key, text in labels.items()):
                total += float(value)
        return total

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until /readyz says so."""
        deadline = time.monotonic() + seconds
        while self.get("/readyz")[0] != 200:
            assert self.process.poll() is None, f"{self.role} ended:\n{self.tail()}"
            assert time.monotonic() < deadline, f"{self.role} is not ready: {self.get('/readyz')[1]}\n{self.tail()}"
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.wait(30)

    def stop(self, seconds: float = 60.0) -> int:
        """SIGTERM; gives the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@contextmanager
def running(world: World, role: str = "all", **environment: str) -> Iterator[Process]:
    """A process that is stopped at the end of the block, by force if need be."""
    process = Process(world, role, **environment)
    try:
        yield process
    finally:
        try:
            process.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"{role} did not stop:\n{process.tail()}") from None


def until(condition: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    """Wait for something that only the outside can see, asking again and again. Fails with what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what()}"
        time.sleep(0.05)


class Reader:
    """Reads a topic read_committed on a thread of its own, into a list: what a consumer downstream sees."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.messages: list[Any] = []
        self.changed = threading.Condition()
        self._stop = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
            }
        )
        found = self._consumer.list_topics(topic, timeout=30).topics[topic]
        self._consumer.assign([TopicPartition(topic, number, 0) for number in found.partitions])
        self._thread = threading.Thread(target=self._read, name=f"reader-{topic}", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.is_set():
            message = self._consumer.poll(0.2)
            if message is not None and message.error() is None:
                with self.changed:
                    self.messages.append(message)
                    self.changed.notify_all()

    def wait(self, count: int, seconds: float) -> int:
        """Wait for so many records; gives how many there are."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.messages) >= count, seconds)
            return len(self.messages)

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join(10)
        self._consumer.close()
