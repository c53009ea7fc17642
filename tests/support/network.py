"""A network between a test and a server that fails on request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from aigestion.prove.wire import Wire, through

TERMINATE = b"X\0\0\0\4"
"""What a client of PostgreSQL says last."""


@asynccontextmanager
async def network_to(url: str) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to the server of a DSN, and the DSN that leads through it."""
    parts = urlsplit(url)
    async with Wire(lambda: (parts.hostname or "", parts.port or 0)) as wire:
        yield wire, through(wire, url)


@asynccontextmanager
async def without_farewell(url: str) -> AsyncIterator[str]:
    """A DSN that leads to the server. What it says last arrives; that it has closed the connection does not.

    So lasts what otherwise is a moment: a session was ended, and whoever holds it has not seen that yet.
    """
    parts, writers = urlsplit(url), list[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(parts.hostname, parts.port)
        writers.extend((writer, up_writer))
        asked = asyncio.create_task(_passed_on(reader, up_writer))
        await _passed_on(up_reader, writer)
        if await asked == TERMINATE:  # who asks for the end is told
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


async def _passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The last piece: `TERMINATE` if the client has ended it."""
    piece = b""
    with suppress(OSError):
        while piece != TERMINATE and (piece := await reader.read(65536)):
            writer.write(piece)
            await writer.drain()
    return piece
