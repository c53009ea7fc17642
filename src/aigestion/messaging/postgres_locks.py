"""Locks as session-level advisory locks of Postgres, all on one connection of their own."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from aigestion.kernel.errors import Unavailable
from aigestion.messaging.leader import connect, lock_key
from aigestion.messaging.locks import MemoryLocks
from aigestion.postgres import FAILED

_log = logging.getLogger(__name__)


class PostgresLocks:
    """If the connection breaks, every lock is gone: what is done under one must be safe without it.

    The connection must reach Postgres itself: a pooler in transaction mode gives sessions away.
    """

    def __init__(self, dsn: str, application_name: str = "aigestion locks") -> None:
        self._dsn = dsn
        self._application_name = application_name
        self._connection: asyncpg.Connection[Any] | None = None
        self._one_statement_at_a_time = asyncio.Lock()
        # A session gets its own advisory lock a second time: within the process we must ask ourselves.
        self._ours = MemoryLocks()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[bool]:
        async with self._ours.hold(name) as free_here:
            if not free_here:
                yield False
                return
            key = lock_key(name)
            session = await self._try(key)
            try:
                yield session is not None
            finally:
                if session is not None:
                    # Work that is cancelled twice must not leave its lock behind.
                    await asyncio.shield(self._release(session, key))

    async def close(self) -> None:
        """Give up every lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*FAILED):
                await connection.close(timeout=1)

    async def _try(self, key: int) -> "asyncpg.Connection[Any] | None":
        """The session that now holds the lock; None if another one does."""
        async with self._one_statement_at_a_time:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(self._dsn, self._application_name)
                taken = await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", key)
            except FAILED as error:
                self._hang_up(self._connection)
                raise Unavailable("Postgres gives no locks", engine="postgres") from error
            except asyncio.CancelledError:
                # Nobody knows whether the lock was taken. Ending the session frees it for certain.
                self._hang_up(self._connection)
                raise
            return self._connection if taken else None

    async def _release(self, session: "asyncpg.Connection[Any]", key: int) -> None:
        async with self._one_statement_at_a_time:
            if session.is_closed():
                _log.warning("the connection of %s is gone", self._application_name)
                return
            try:
                await session.fetchval("SELECT pg_advisory_unlock($1)", key)
            except FAILED:
                self._hang_up(session)

    def _hang_up(self, session: "asyncpg.Connection[Any] | None") -> None:
        if session is not None:
            session.terminate()
        if self._connection is session:
            self._connection = None
