"""A client's end of a connection to the Postgres double, and a pool of them: what asyncpg gives the program."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.simulation.loop import PROCESS, Incarnation
from tests.simulation.postgres import PostgresDouble

COMMAND_TIMEOUT_SECONDS = 5.0


class Session:
    """Looks like `asyncpg.Connection` to those who use it here: one statement at a time."""

    def __init__(
        self, server: PostgresDouble, owner: Incarnation, command_timeout: float | None
    ) -> None:
        self.owner = owner
        self.is_silent = False
        """Nothing comes through any more, and nobody has said so."""
        self._server = server
        self._timeout = command_timeout
        self._closed = False
        self._answer: asyncio.Future[Any] | None = None
        self._listeners: list[Callable[[Any], None]] = []
        self._backend = server.admit(self)

    async def fetch(self, sql: str, *arguments: Any, timeout: float | None = None) -> Any:
        if self._closed or self._answer is not None:
            raise asyncpg.InterfaceError(
                "the connection is closed, or another operation is in progress"
            )
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._server.send(self._backend, sql, arguments, answer)
        try:
            async with asyncio.timeout(timeout or self._timeout):
                result = await answer
        except (TimeoutError, asyncio.CancelledError):
            # The statement may be under way for long: whoever asks next is told to go away.
            self._listeners.clear()
            self.terminate()
            raise
        finally:
            self._answer = None
        return result

    async def fetchrow(self, sql: str, *arguments: Any, timeout: float | None = None) -> Any:
        rows = await self.fetch(sql, *arguments, timeout=timeout)
        return rows[0] if rows else None

    async def fetchval(self, sql: str, *arguments: Any, timeout: float | None = None) -> Any:
        row = await self.fetchrow(sql, *arguments, timeout=timeout)
        return None if row is None else row[0]

    async def execute(self, sql: str, *arguments: Any, timeout: float | None = None) -> None:
        await self.fetch(sql, *arguments, timeout=timeout)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        await self.execute("BEGIN")
        try:
            yield
        except BaseException:
            if not self._closed:
                await self.execute("ROLLBACK")
            raise
        await self.execute("COMMIT")

    def add_termination_listener(self, listener: Callable[[Any], None]) -> None:
        self._listeners.append(listener)

    def is_closed(self) -> bool:
        return self._closed

    async def close(self, timeout: float | None = None) -> None:
        self.terminate()

    def terminate(self) -> None:
        if not self._closed:
            self._lose()
            if not self.is_silent:
                self._server.later(self._server.latency(), self._server.client_gone, self._backend)

    def broke(self) -> None:
        """The other side, or the network, ended it."""
        if not self._closed and not self.is_silent:
            self._lose()

    def _lose(self) -> None:
        self._closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(
                asyncpg.ConnectionDoesNotExistError(
                    "connection was closed in the middle of operation"
                )
            )
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.call_soon(listener, self, context=self.owner.context)
        self._listeners.clear()


class Connecting:
    """Makes sessions for whichever process asks."""

    def __init__(self, server: PostgresDouble) -> None:
        self._server = server

    async def connect(
        self, *_: Any, timeout: float = 60, command_timeout: float | None = None, **__: Any
    ) -> Session:
        """As `asyncpg.connect`."""
        owner = PROCESS.get()
        assert owner is not None, "only processes connect"
        if not self._server.is_reachable(owner):
            await asyncio.sleep(timeout)
            raise TimeoutError
        await asyncio.sleep(self._server.latency())
        if not self._server.is_up:
            raise ConnectionRefusedError("the database is down")
        return Session(self._server, owner, command_timeout)


class Pool:
    """Looks like `asyncpg.Pool`: sessions are kept for the next one who asks."""

    def __init__(self, connecting: Connecting) -> None:
        self._connecting = connecting
        self._idle: list[Session] = []

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Session]:
        session = None
        while self._idle and session is None:
            session = self._idle.pop()
            session = None if session.is_closed() else session
        if session is None:
            session = await self._connecting.connect(
                timeout=COMMAND_TIMEOUT_SECONDS, command_timeout=COMMAND_TIMEOUT_SECONDS
            )
        try:
            yield session
        finally:
            if not session.is_closed():
                self._idle.append(session)

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        async with self.acquire() as session:
            return await session.fetch(sql, *arguments)

    async def fetchrow(self, sql: str, *arguments: Any) -> Any:
        async with self.acquire() as session:
            return await session.fetchrow(sql, *arguments)

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        async with self.acquire() as session:
            return await session.fetchval(sql, *arguments)

    async def execute(self, sql: str, *arguments: Any) -> None:
        async with self.acquire() as session:
            await session.execute(sql, *arguments)
