"""Asks the log again and again where it ends, how long that takes, and how late it is there."""

import asyncio
from datetime import timedelta

import asyncpg

from aigestion.eventstore.pool import CONNECT_TIMEOUT_SECONDS, KEEPALIVE
from aigestion.kernel.clock import Clock, utc_now
from aigestion.kernel.errors import Unavailable
from aigestion.postgres import FAILED

ANSWER_SECONDS_MAX = 2.5
_ASK = "SELECT position, clock_timestamp(), repeat('.', 8192) FROM log.head"
"""The answer is padded, so that a line without breadth shows as well as a long one."""


class LogPulse:
    """Holds a connection of its own: a pool would hide a lost one, and make the question wait in line."""

    def __init__(self, url: str, *, clock: Clock = utc_now) -> None:
        self.head = 0
        """As of the last answer."""
        self.clock_offset_seconds: float | None = None
        """How far this process's clock is ahead of PostgreSQL's; None before the first answer."""
        self.reconnects = 0
        """How often the connection was lost."""
        self._url = url
        self._clock = clock
        self._connection: asyncpg.Connection | None = None
        self._was_connected = False

    async def ask(self) -> float:
        """Seconds there and back; `Unavailable` if no answer comes, or not in time."""
        now = asyncio.get_running_loop().time
        try:
            connection = await self._connected()
            began, clock_began = now(), self._clock()
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                row = await connection.fetchrow(_ASK)
        except FAILED as error:
            await self.close()
            said = str(error) or type(error).__name__
            raise Unavailable(f"the log does not answer: {said}", engine="postgres") from error
        seconds = now() - began
        assert row is not None
        self.head = row[0]
        ahead: timedelta = clock_began + timedelta(seconds=seconds / 2) - row[1]
        self.clock_offset_seconds = ahead.total_seconds()
        return seconds

    async def close(self) -> None:
        """Let go of the connection; another question makes a new one."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connected(self) -> asyncpg.Connection:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = self._connection = await asyncpg.connect(
                self._url,
                timeout=CONNECT_TIMEOUT_SECONDS,
                server_settings={"application_name": "aigestion pulse", **KEEPALIVE},
            )
            await connection.fetchrow(_ASK, timeout=ANSWER_SECONDS_MAX)  # it is prepared, once
            self.reconnects += self._was_connected
            self._was_connected = True
        return connection
