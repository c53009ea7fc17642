"""A network between a process and a server that fails on demand: one small TCP proxy an edge."""

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

from aigestion.embedded.ports import LOOPBACK
from aigestion.prove.harm import Harm

READ_BYTES_MAX = 65536
KEEPALIVE_SECONDS = 10.0
"""When a server that asked its kernel to probe (as `eventstore.pool.KEEPALIVE` does) hears of a dead peer."""
_PROBES = b"tcp_keepalives_idle\0"
_LINGER_NOT = struct.pack("ii", 1, 0)

Address = tuple[str, int]


class Wire:
    """Forwards to one address. All faults are for what goes through it now, and for what comes while they last."""

    def __init__(self, target: Callable[[], Address], *, waits_idle: bool = False) -> None:
        """`waits_idle`: its connections ask and are answered, and nobody misses one that has been answered."""
        self.port = 0
        self.requests = _open_gate()
        """Clear it to hold what goes to the server; set it to deliver that, as the network's repeats do."""
        self.replies = _open_gate()
        self.refusing = False
        """Whether new connections are reset."""
        self.delay_seconds_max = 0.0
        """Each piece waits for a random time up to this."""
        self.bytes_per_second: float | None = None
        """Of one connection, each way."""
        self.harm: Harm | None = None
        """Where to note what meets the fault there is."""
        self._target = target
        self._waits_idle = waits_idle
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def mend(self) -> None:
        """The network is as it should be. What was forgotten stays so."""
        self.requests.set()
        self.replies.set()
        self.refusing = False
        self.delay_seconds_max = 0.0
        self.bytes_per_second = None
        self.harm = None

    def reset(self) -> None:
        """Reset every connection on both sides."""
        for link in self._links:
            if self.harm is not None and link.is_used:
                self.harm.lost()
            link.forgotten = True
            _reset(link.client)
            _reset(link.server)
        self._links.clear()

    def cut(self) -> None:
        """Reset every connection towards the client; the server is told nothing. Nothing is held any more."""
        self.forget()
        for link in self._links:
            _reset(link.client)
        self.requests.set()
        self.replies.set()

    def forget(self) -> None:
        """Half-open: neither side is told, and what they send goes nowhere, as after a firewall's restart."""
        for link in self._links:
            link.forgotten, link.harm = True, self.harm
            if link.probes:
                loop = asyncio.get_running_loop()
                loop.call_later(KEEPALIVE_SECONDS, link.server.transport.abort)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A connection comes about when both directions work, and not before.
        harm, now = self.harm, asyncio.get_running_loop().time
        began = now()
        await self.requests.wait()
        await self.replies.wait()
        if harm is not None:
            harm.late(now() - began)
        try:
            if self.refusing:
                if self.harm is not None:
                    self.harm.lost()
                raise ConnectionRefusedError
            up_reader, up_writer = await asyncio.open_connection(*self._target())
        except OSError:
            _reset(writer)
            return
        link = _Link(writer, up_writer)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(link, reader, up_writer, to_server=True))
                both.create_task(self._pump(link, up_reader, writer, to_server=False))
        finally:
            self._links.discard(link)

    async def _pump(
        self,
        link: "_Link",
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        *,
        to_server: bool,
    ) -> None:
        with suppress(OSError):
            while chunk := await source.read(READ_BYTES_MAX):
                link.probes = link.probes or (to_server and _PROBES in chunk)
                link.is_used = to_server or not self._waits_idle
                await self._travel(len(chunk), to_server=to_server)
                if not link.forgotten:
                    sink.write(chunk)
                    await sink.drain()
                elif link.harm is not None:
                    link.harm.lost()
        await self._travel(0, to_server=to_server)
        if not link.forgotten:
            sink.close()

    async def _travel(self, size: int, *, to_server: bool) -> None:
        """As long as it takes."""
        harm, now = self.harm, asyncio.get_running_loop().time
        began = now()
        if self.delay_seconds_max:
            await asyncio.sleep(random.uniform(0, self.delay_seconds_max))  # noqa: S311
        if self.bytes_per_second:
            await asyncio.sleep(size / self.bytes_per_second)
        await (self.requests if to_server else self.replies).wait()
        if harm is not None and size:
            harm.late(now() - began)


def through(wire: Wire, url: str) -> str:
    """The URL of a server with the wire's address in the place of its own."""
    parts = urlsplit(url)
    credential, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{credential}{at}{LOOPBACK}:{wire.port}").geturl()


class _Link:
    """One connection through the wire."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.forgotten = False
        self.harm: Harm | None = None
        """Of the fault that made it forgotten."""
        self.is_used = True
        """Whether somebody would miss it."""
        self.probes = False
        """Whether the server was asked to find out by itself that its peer is gone."""


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()
