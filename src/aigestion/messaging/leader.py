"""Leadership by a Postgres advisory lock: at most one process does a thing, standbys take over."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from aigestion.eventstore.pool import KEEPALIVE
from aigestion.kernel.cancellation import heed_cancellation
from aigestion.postgres import FAILED

STANDBY_POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 2.0
HEARTBEAT_TIMEOUT_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 5.0

_log = logging.getLogger(__name__)


class PostgresTenure:
    """Leadership that lasts as long as its connection."""

    def __init__(self) -> None:
        self._lost = asyncio.Event()

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    async def until_lost(self) -> None:
        await self._lost.wait()

    def lose(self) -> None:
        self._lost.set()


class PostgresLeadership:
    """Holds a session-level advisory lock on a connection of its own.

    The connection must reach Postgres itself: a pooler in transaction mode gives sessions away.
    What a leader does must be safe beside a former one that has not noticed yet (law 3: the relay
    is, by the sequence it expects).
    """

    def __init__(self, dsn: str, name: str) -> None:
        self._dsn = dsn
        self._name = name
        self._key = lock_key(name)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[PostgresTenure]:
        """Wait until this process leads, for ever if need be; lead until the block is left."""
        connection = await self._elected()
        tenure = PostgresTenure()
        connection.add_termination_listener(lambda _: tenure.lose())
        heartbeat = asyncio.create_task(_beat(connection, tenure))
        _log.info("leading: %s", self._name)
        try:
            yield tenure
        finally:
            tenure.lose()
            heartbeat.cancel()
            with suppress(asyncio.CancelledError):
                await heartbeat
            await hang_up(connection)

    async def _elected(self) -> asyncpg.Connection:
        """A connection that holds the lock.

        Asks again and again instead of waiting in the database: a statement that waits keeps a
        snapshot, and with it every dead row of the database.
        """
        connection: asyncpg.Connection | None = None
        try:
            while True:
                heed_cancellation()
                try:
                    connection = connection or await connect(self._dsn, self._name)
                    if await connection.fetchval("SELECT pg_try_advisory_lock($1)", self._key):
                        return connection
                except FAILED as error:
                    _log.warning("standing by for %s, no database: %s", self._name, error)
                    await hang_up(connection)
                    connection = None
                await asyncio.sleep(STANDBY_POLL_SECONDS)
        except BaseException:
            await hang_up(connection)
            raise


async def connect(dsn: str, application_name: str) -> asyncpg.Connection:
    """A connection to hold locks on: it is given up soon if the other side is gone."""
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=HEARTBEAT_TIMEOUT_SECONDS,
        server_settings={"application_name": application_name[:63], **KEEPALIVE},
    )


def lock_key(name: str) -> int:
    """The advisory lock of a name: 64 bits of its SHA-256."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


async def _beat(connection: asyncpg.Connection, tenure: PostgresTenure) -> None:
    """A connection can be dead without anybody saying so: ask it."""
    try:
        while not tenure.lost:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await connection.execute("SELECT 1", timeout=HEARTBEAT_TIMEOUT_SECONDS)
    except FAILED as error:
        _log.warning("leadership lost, its connection does not answer: %s", error)
    finally:
        tenure.lose()


async def hang_up(connection: asyncpg.Connection | None) -> None:
    """Close a connection, dead or alive."""
    if connection is not None:
        with suppress(Exception):
            await connection.close(timeout=1)
        connection.terminate()
