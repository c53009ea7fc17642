"""ClickHouse in this process (chDB): clients that block, in threads."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Self, TypeVar

from aigestion.kernel.errors import Unavailable
from aigestion.readstores.clickhouse.engine import (
    FORMAT,
    INSERTED,
    SETTINGS,
    STREAMED,
    Rows,
    insertion,
)
from aigestion.readstores.clickhouse.faults import answering, taking
from aigestion.readstores.worker_threads import WorkerThreads

if TYPE_CHECKING:  # Importing it takes most of a second: only who opens an engine pays for it.
    from clickhouse_connect.driver.client import Client
    from clickhouse_connect.driver.common import StreamContext

READERS = 2
ALLOCATOR = "JE_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0"
"""Freed memory goes back to the system at once. It is read when the engine's library is loaded."""
T = TypeVar("T")


class EmbeddedClickHouse:
    """One client that writes and some that read: a long query never keeps an insert waiting.

    The engine belongs to one process, and a process has one.
    """

    def __init__(self, writer: "Client", readers: Sequence["Client"], *, sparing: bool) -> None:
        self._sparing = sparing
        self._clients = (writer, *readers)
        self._writer = writer
        self._writing = asyncio.Lock()
        self._idle: asyncio.LifoQueue[Client] = asyncio.LifoQueue()  # each keeps memory it has used
        for reader in readers:
            self._idle.put_nowait(reader)
        self._threads = WorkerThreads("clickhouse", len(self._clients))

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path, *, sparing: bool = False) -> AsyncIterator[Self]:
        """Open the engine on a directory of its own, and close it in the end.

        `sparing` is for a command that goes through everything once: freed memory is given back at once, for
        which a query takes twice as long, and nothing is merged while blocks are read. `Unavailable` if it
        cannot be opened, for instance because another process has it open.
        """
        if sparing:
            os.environ.setdefault(*ALLOCATOR)
        clients = await asyncio.to_thread(_clients, directory)
        engine = cls(clients[0], clients[1:], sparing=sparing)
        try:
            yield engine
        finally:
            await engine._close()

    async def run(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        given = dict(parameters or {})
        await self._write(lambda client: client.command(statement, given))

    async def insert(
        self, database: str, table: str, types: Mapping[str, str], lines: bytes
    ) -> None:
        def insert(client: "Client") -> None:
            with TemporaryFile() as file, taking(database, table):
                file.write(lines)
                file.seek(0)
                # Not by its name, in which a folder of any name may stand: braces and stars are patterns here.
                source = f"file('/dev/fd/{file.fileno()}', '{FORMAT}', {{}})"
                client.command(insertion(database, table, types, source), settings=dict(INSERTED))

        await self._write(insert)

    async def query(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Rows:
        given = dict(parameters or {})
        async with self._reader() as client:
            return await self._threads.run(_query, client, statement, given)

    async def blocks(self, statement: str) -> AsyncGenerator[Rows, None]:
        async with self._reader() as client, self._unmerged():
            blocks = await self._threads.run(_opened, client, statement)
            try:
                while block := await self._threads.run(_next_block, blocks):
                    yield block
            finally:
                await self._threads.run(blocks.__exit__, None, None, None)

    @asynccontextmanager
    async def _unmerged(self) -> AsyncIterator[None]:
        """Nothing is merged inside the block, if memory is spared: a merge takes as much as a reader does."""
        if self._sparing:
            await self.run("SYSTEM STOP MERGES")
        try:
            yield
        finally:
            if self._sparing:
                await self.run("SYSTEM START MERGES")

    async def _write(self, work: Callable[["Client"], object]) -> None:
        async with self._writing:
            await self._threads.run(_answered, work, self._writer)

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator["Client"]:
        client = await self._idle.get()
        try:
            yield client
        finally:
            self._idle.put_nowait(client)

    async def _close(self) -> None:
        """Close the engine; what runs is waited for."""
        async with self._writing:
            readers = [await self._idle.get() for _ in self._clients[1:]]
            for client in (*readers, self._writer):
                await self._threads.run(client.close)
            self._threads.close()


def _clients(directory: Path) -> list["Client"]:
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    with ExitStack() as opened:
        clients = []
        try:
            for _ in range(1 + READERS):
                client = clickhouse_connect.get_client(
                    interface="chdb", path=str(directory), settings=dict(SETTINGS), tz_mode="aware"
                )
                opened.callback(client.close)
                clients.append(client)
        except ClickHouseError as error:
            raise Unavailable(
                f"ClickHouse cannot be opened: {error}", engine="clickhouse"
            ) from error
        opened.pop_all()
        return clients


def _answered(work: Callable[["Client"], object], client: "Client") -> None:
    with answering():
        work(client)


def _query(client: "Client", statement: str, parameters: dict[str, Any]) -> Rows:
    with answering():
        return client.query(statement, parameters).result_rows


def _opened(client: "Client", statement: str) -> "StreamContext":
    with answering():
        blocks: StreamContext = client.query_row_block_stream(statement, settings=dict(STREAMED))
        blocks.__enter__()  # type: ignore[no-untyped-call]
        return blocks


def _next_block(blocks: "StreamContext") -> Rows | None:
    with answering():
        return next(blocks, None)
