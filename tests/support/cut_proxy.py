"""A TCP proxy that can hold what goes one way and cut every connection: a network that fails on request."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

READ_BYTES_MAX = 65536


class CutProxy:
    """Forwards to one address. Clear `requests` or `replies` to hold what goes that way."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.requests = asyncio.Event()
        self.replies = asyncio.Event()
        self.requests.set()
        self.replies.set()
        self._target = (host, port)
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: set[asyncio.Task[None]] = set()
        self._refusing = False

    def cut(self) -> None:
        """Reset every connection towards the client; the server is told nothing."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self.requests = asyncio.Event()
        self.replies = asyncio.Event()
        self.requests.set()
        self.replies.set()

    def refuse(self, refusing: bool) -> None:
        """Whether new connections are turned away."""
        self._refusing = refusing

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        if self._refusing:
            writer.transport.abort()
            return
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        self._writers.append(writer)
        for source, sink, gate in (
            (reader, up_writer, self.requests),
            (up_reader, writer, self.replies),
        ):
            pump = asyncio.create_task(_pump(source, sink, gate))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    def close(self) -> None:
        """Drop everything."""
        self.cut()
        for pump in self._pumps:
            pump.cancel()


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event
) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(READ_BYTES_MAX):
            await gate.wait()
            sink.write(chunk)
            await sink.drain()
        sink.close()


@asynccontextmanager
async def cut_proxy(url: str) -> AsyncIterator[tuple[CutProxy, str]]:
    """A proxy before the server of a DSN, and the DSN that leads through it."""
    head, _, address = url.rpartition("@")
    host_port, _, database = address.partition("/")
    host, _, port = host_port.partition(":")
    proxy = CutProxy(host, int(port))
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy, f"{head}@127.0.0.1:{proxy.port}/{database}"
    proxy.close()
    server.close()
