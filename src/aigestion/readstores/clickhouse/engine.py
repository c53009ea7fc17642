"""ClickHouse, a server or in process (chDB), through one client interface that blocks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from aigestion.kernel.errors import Unavailable
from aigestion.readstores.worker_threads import WorkerThreads

if TYPE_CHECKING:  # Importing it takes most of a second: only who opens an engine pays for it.
    from clickhouse_connect.driver.client import Client
    from clickhouse_connect.driver.common import StreamContext

READERS = 2
QUERY_SECONDS_MAX = 10
ROWS_IN_BLOCK_MAX = 8_192

_SETTINGS = {
    "async_insert": 0,  # an insert that is acknowledged is written
    "max_execution_time": QUERY_SECONDS_MAX,
    "max_block_size": ROWS_IN_BLOCK_MAX,
}
_NO_TABLE, _NO_DATABASE = 60, 81
C = TypeVar("C")
T = TypeVar("T")
Rows: TypeAlias = Sequence[Sequence[Any]]


class NoSuchTable(LookupError):
    """The table that was asked for, or its database, is not there."""


class ClickHouse:
    """One client that writes and some that read: a long query never keeps an insert waiting.

    An embedded engine belongs to one process, and a process has one. Raises `Unavailable` for what
    another attempt may cure, `NoSuchTable` for a view that is not there.
    """

    def __init__(self, writer: "Client", readers: Sequence["Client"]) -> None:
        self._clients = (writer, *readers)
        self._writer = writer
        self._writing = asyncio.Lock()
        self._idle: asyncio.Queue[Client] = asyncio.Queue()
        for reader in readers:
            self._idle.put_nowait(reader)
        self._threads = WorkerThreads("clickhouse", len(self._clients))

    @classmethod
    async def connect(cls, **target: Any) -> Self:
        """`interface="chdb", path=…` opens the engine in this process, `dsn="https://…"` reaches a server."""
        clients = await asyncio.to_thread(_clients, target)
        return cls(clients[0], clients[1:])

    async def write(self, work: Callable[["Client"], T]) -> T:
        """Do something with the writing client, alone."""
        async with self._writing:
            return await self._threads.run(_translated, work, self._writer)

    async def read(self, work: Callable[["Client"], T]) -> T:
        """Do something with an idle reading client."""
        async with self._reader() as client:
            return await self._threads.run(_translated, work, client)

    async def query(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Rows:
        """The rows of a query; `{name:Type}` in it stands for a parameter."""
        given = dict(parameters or {})
        return await self.read(lambda client: client.query(statement, given).result_rows)

    async def stream(self, statement: str) -> AsyncIterator[Rows]:
        """The rows of a query, block by block: they need not fit into memory."""
        async with self._reader() as client:
            blocks = await self._threads.run(_translated, partial(_opened, statement), client)
            try:
                while block := await self._threads.run(_translated, _next_block, blocks):
                    yield block
            finally:
                await self._threads.run(blocks.__exit__, None, None, None)

    async def close(self) -> None:
        """Close the engine; what runs is waited for."""
        async with self._writing:
            readers = [await self._idle.get() for _ in self._clients[1:]]
            for client in (*readers, self._writer):
                await self._threads.run(client.close)
            self._threads.close()

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator["Client"]:
        client = await self._idle.get()
        try:
            yield client
        finally:
            self._idle.put_nowait(client)


def _clients(target: Mapping[str, Any]) -> list["Client"]:
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    with ExitStack() as opened:
        clients = []
        try:
            for _ in range(1 + READERS):
                client = clickhouse_connect.get_client(
                    **target, settings=_SETTINGS, tz_mode="aware"
                )
                opened.callback(client.close)
                clients.append(client)
        except ClickHouseError as error:
            raise Unavailable(
                f"ClickHouse cannot be opened: {error}", engine="clickhouse"
            ) from error
        opened.pop_all()
        return clients


def _opened(statement: str, client: "Client") -> "StreamContext":
    no_limit = {"max_execution_time": 0}  # the reader sets the pace
    blocks: StreamContext = client.query_row_block_stream(statement, settings=no_limit)
    blocks.__enter__()  # type: ignore[no-untyped-call]
    return blocks


def _next_block(blocks: "StreamContext") -> Rows | None:
    return next(blocks, None)


def _translated(work: Callable[[C], T], client: C) -> T:
    from clickhouse_connect.driver.exceptions import Error, OperationalError

    try:
        return work(client)
    except Error as error:
        if error.code in (_NO_TABLE, _NO_DATABASE):
            raise NoSuchTable(str(error)) from error
        if isinstance(error, OperationalError):
            raise Unavailable("ClickHouse does not answer.", engine="clickhouse") from error
        raise
