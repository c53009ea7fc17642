"""The appender's own connection: sends a group, and after a break finds out what became of one."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import asyncpg

from aigestion.eventstore.append_group import AppendGroup
from aigestion.eventstore.pool import PROBE_SECONDS_MAX, QUIET_SECONDS_MAX, Losses

CONNECT_TIMEOUT_SECONDS = 5.0
CLOSE_TIMEOUT_SECONDS = 2.0
LOCK_TIMEOUT_MILLISECONDS = 2_000
STATEMENT_TIMEOUT_MILLISECONDS = 5_000
REPLY_TIMEOUT_SECONDS = 8.0
"""Longer than the server's own limits: only a connection that is gone stays silent for so long."""
BACKEND_END_POLL_SECONDS = 0.02
BACKEND_END_POLLS_MAX = 100

_APPEND = "SELECT head_before, refused FROM log.append($1, $2, $3, $4)"
_BACKEND = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_END_BACKEND = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2"
)
_PROBE = "SELECT 1"
_POSITIONS = "SELECT id, position FROM log.events WHERE id = ANY ($1::uuid[])"
_SESSION = {
    "application_name": "aigestion appender",
    "lock_timeout": str(LOCK_TIMEOUT_MILLISECONDS),
    "statement_timeout": str(STATEMENT_TIMEOUT_MILLISECONDS),
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "on",
}
_CONNECTION_USELESS = (
    OSError,
    TimeoutError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InternalClientError,
)
"""Errors after which there is no connection, even where asyncpg has not noticed yet."""


class ConnectionLost(Exception):
    """The connection is gone, or could not be made; what was under way on it may have committed."""


class AppendConnection:
    """One connection with the limits an append needs. It must reach Postgres itself, not a pooler."""

    def __init__(self, url: str, losses: Losses) -> None:
        self._url = url
        self._losses = losses
        self._connection: asyncpg.Connection | None = None
        self._backend: tuple[int, datetime] | None = None
        self._heard_at = 0.0

    async def open(self) -> None:
        """Connect; raises what asyncpg raises."""
        self._connection = await asyncpg.connect(
            self._url,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=REPLY_TIMEOUT_SECONDS,  # one that falls silent must not hold up a lane
            server_settings=_SESSION,
        )
        pid, started = await self._connection.fetchrow(_BACKEND) or (0, None)
        self._backend = (pid, started) if started else None
        self._heard_at = _now()

    async def close(self) -> None:
        """Disconnect, politely if possible."""
        if self._connection is not None:
            try:
                await self._connection.close(timeout=CLOSE_TIMEOUT_SECONDS)
            except Exception:  # it is gone already
                self._connection.terminate()

    async def send(self, group: AppendGroup) -> tuple[int, list[int]]:
        """The head before the group, and the refused requests. `ConnectionLost`: outcome unknown.

        Any other error comes from a statement that failed: nothing of the group is recorded.
        """
        connection = self._connection
        assert connection is not None
        try:
            if _now() - self._heard_at > QUIET_SECONDS_MAX:
                await connection.execute(_PROBE, timeout=PROBE_SECONDS_MAX)
            row = await connection.fetchrow(
                _APPEND,
                group.event_rows,
                group.event_requests,
                group.guard_rows,
                group.guard_requests,
            )
        except Exception as error:
            if connection.is_closed() or isinstance(error, _CONNECTION_USELESS):
                self._losses.count += 1
                connection.terminate()
                raise ConnectionLost(str(error) or "the database stays silent") from error
            raise
        assert row is not None
        self._heard_at = _now()
        return row["head_before"], row["refused"]

    async def settle(self, ids: Iterable[UUID]) -> dict[UUID, int]:
        """Reconnect; once nothing of the former connection can commit any more, say what did.

        Returns the positions of those ids that are recorded. Raises `ConnectionLost`.
        """
        former = self._backend
        try:
            await self.open()
            assert self._connection is not None
            if former is not None:
                await self._end(former)
            rows = await self._connection.fetch(_POSITIONS, list(ids))
        except Exception as error:  # whatever it is, the next try makes a new connection
            self._backend = former
            if self._connection is not None:
                self._connection.terminate()
            raise ConnectionLost(str(error)) from error
        return {row["id"]: row["position"] for row in rows}

    async def _end(self, backend: tuple[int, datetime]) -> None:
        """A backend outlives a broken network: end it, and wait until it is gone."""
        assert self._connection is not None
        for _ in range(BACKEND_END_POLLS_MAX):
            if not await self._connection.fetch(_END_BACKEND, *backend):
                return
            await asyncio.sleep(BACKEND_END_POLL_SECONDS)
        raise TimeoutError("the former connection's backend does not end")


def _now() -> float:
    return asyncio.get_running_loop().time()
