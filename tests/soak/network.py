"""Links to servers that can be cut, held or slowed down: plain TCP, one event loop for all. Reads no byte of it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.services.ports import LOOPBACK, free_port

T = TypeVar("T")
CHUNK = 64 * 1024


class Network:
    """The thread on which all links run."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()
        self._links: list[Link] = []

    def link(self, target: int) -> Link:
        """A new link to a port of this machine."""
        link = Link(self, target)
        self.run(link.open())
        self._links.append(link)
        return link

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the network's thread, and wait for the result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        """Break everything."""
        for link in self._links:
            self.run(link.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Link:
    """One way to a server. ``cut``, ``hold``, ``slow`` and ``heal`` may be called by any thread."""

    def __init__(self, network: Network, target: int) -> None:
        self.port = free_port({target})
        self._network, self._target = network, target
        self._open, self._flows, self._delay = True, asyncio.Event(), 0.0
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, LOOPBACK, self.port)

    async def close(self) -> None:
        """Break all connections and stop listening."""
        self._break()
        self._flows.set()
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break all connections, and every new one at once."""
        self._network.run(self._set(is_open=False))

    def hold(self) -> None:
        """Connections stay, and nothing comes through."""
        self._network.run(self._set(flows=False))

    def slow(self, seconds: float) -> None:
        """Every piece takes so long, either way."""
        self._network.run(self._set(delay=seconds))

    def heal(self) -> None:
        """As if nothing had been."""
        self._network.run(self._set())

    async def _set(self, *, is_open: bool = True, flows: bool = True, delay: float = 0.0) -> None:
        self._open, self._delay = is_open, delay
        if flows:
            self._flows.set()
        else:
            self._flows.clear()
        if not is_open:
            self._break()

    def _break(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if self._open:
                await self._carry(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(LOOPBACK, self._target)
        self._writers.add(back)
        pumps = [asyncio.ensure_future(self._pump(reader, back)), asyncio.ensure_future(self._pump(there, writer))]
        try:
            # Half a connection is none: both servers and clients here close whole ones.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._writers.discard(back)
            back.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
            if sink.can_write_eof():  # what was written last must get through before the connection ends
                sink.write_eof()
                await sink.drain()
