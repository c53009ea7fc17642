"""All leaderships of a process on one connection: an advisory lock of Postgres each."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import asyncpg

from aigestion.kernel.cancellation import heed_cancellation
from aigestion.messaging.leader import (
    HEARTBEAT_SECONDS,
    STANDBY_POLL_SECONDS,
    PostgresTenure,
    connect,
    hang_up,
    lock_key,
)
from aigestion.postgres import FAILED

_TRY = "SELECT key FROM unnest($1::bigint[]) AS key WHERE pg_try_advisory_lock(key)"
_UNLOCK = "SELECT pg_advisory_unlock($1)"

_log = logging.getLogger(__name__)


class PostgresLeaderships:
    """Leaderships by name. One question, twice a second, asks for all that are waited for.

    They share a fate: if the connection is lost, so is each of them. The connection must reach
    Postgres itself: a pooler in transaction mode gives sessions away. What a leader does must be
    safe beside a former one that has not noticed yet.
    """

    def __init__(self, dsn: str, application_name: str = "aigestion leaderships") -> None:
        self._dsn = dsn
        self._application_name = application_name
        self._connection: asyncpg.Connection[Any] | None = None
        self._one_statement_at_a_time = asyncio.Lock()
        self._candidates: dict[str, deque[asyncio.Future[PostgresTenure]]] = {}
        self._led: dict[str, PostgresTenure] = {}
        self._news = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

    def of(self, name: str) -> "_Leadership":
        """The leadership of this name."""
        return _Leadership(self, name)

    async def elected(self, name: str) -> PostgresTenure:
        """Wait until this process leads, for ever if need be."""
        elected: asyncio.Future[PostgresTenure] = asyncio.get_running_loop().create_future()
        self._candidates.setdefault(name, deque()).append(elected)
        self._news.set()
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name=self._application_name)
        try:
            return await elected
        except asyncio.CancelledError:
            if elected.done() and not elected.cancelled():
                await self.give_up(name, elected.result())
            raise
        finally:
            self._withdraw(name, elected)

    async def give_up(self, name: str, tenure: PostgresTenure) -> None:
        """End a tenure; another process may lead when this returns."""
        tenure.lose()
        # Given up in the midst of a shutdown, the lock must not stay behind.
        await asyncio.shield(self._release(name, tenure))

    async def _release(self, name: str, tenure: PostgresTenure) -> None:
        async with self._one_statement_at_a_time:
            if self._led.get(name) is not tenure:
                return  # it went with its connection
            try:
                assert self._connection is not None
                await self._connection.fetchval(_UNLOCK, lock_key(name))
            except FAILED:
                self._lose_all()  # and with the session, for certain, the lock
            self._led.pop(name, None)
        self._news.set()

    async def _ask(self) -> None:
        """Ask for what is waited for, and whether the connection lives, as long as either matters."""
        try:
            while self._candidates or self._led:
                heed_cancellation()
                self._news.clear()
                await self._try()
                waiting = any(name not in self._led for name in self._candidates)
                with suppress(TimeoutError):
                    async with asyncio.timeout(
                        STANDBY_POLL_SECONDS if waiting else HEARTBEAT_SECONDS
                    ):
                        await self._news.wait()
        finally:
            connection, self._connection, self._asking = self._connection, None, None
            self._lose_all()
            await hang_up(connection)

    async def _try(self) -> None:
        async with self._one_statement_at_a_time:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(self._dsn, self._application_name)
                    self._connection.add_termination_listener(self._ended)
                keys = {lock_key(name): name for name in self._candidates if name not in self._led}
                for (key,) in await self._connection.fetch(_TRY, list(keys)):
                    self._lead(keys[key])
            except Exception as error:
                _log.warning("%s: no database: %s", self._application_name, error)
                self._lose_all()

    def _lead(self, name: str) -> None:
        tenure = self._led[name] = PostgresTenure()
        _log.info("leading: %s", name)
        for elected in self._candidates.get(name, ()):
            if not elected.done():
                elected.set_result(tenure)
                return
        # Nobody waits any more: asked for a moment too long.
        self._releasing = asyncio.ensure_future(self._release(name, tenure))

    def _withdraw(self, name: str, elected: "asyncio.Future[PostgresTenure]") -> None:
        waiting = self._candidates[name]
        waiting.remove(elected)
        if not waiting:
            del self._candidates[name]

    def _ended(self, connection: Any) -> None:
        if connection is self._connection:
            self._lose_all()
            self._news.set()

    def _lose_all(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
        for tenure in self._led.values():
            tenure.lose()
        self._led.clear()


class _Leadership:
    """One name's `Leadership`."""

    def __init__(self, leaderships: PostgresLeaderships, name: str) -> None:
        self._leaderships = leaderships
        self._name = name

    def held(self) -> AbstractAsyncContextManager[PostgresTenure]:
        """Wait until this process leads; leaving the block gives leadership up."""
        return self._held()

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[PostgresTenure]:
        tenure = await self._leaderships.elected(self._name)
        try:
            yield tenure
        finally:
            await self._leaderships.give_up(self._name, tenure)
