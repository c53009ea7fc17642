"""The pool of connections to PostgreSQL that reads, views and keys share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

import asyncpg

CONNECT_TIMEOUT_SECONDS = 5.0
COMMAND_TIMEOUT_SECONDS = 10.0
CLOSE_SECONDS_MAX = 3.0
IDLE_SECONDS_MAX = 15.0
"""A connection nobody used for so long is not kept: a network may have forgotten it without a word."""
QUIET_SECONDS_MAX = 1.0
"""One that was used so lately is there; of any other this is asked first."""
PROBE_SECONDS_MAX = 3.0
"""Long enough for a machine that has much else to do; thrice within the time an answer may take."""
KEEPALIVE = {
    # The server lets go of a peer whose machine is gone after about ten seconds, not two hours.
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}


class Losses:
    """How many connections of a process were found to be gone; for metrics."""

    def __init__(self) -> None:
        self.count = 0


@asynccontextmanager
async def opened_pool(
    url: str,
    *,
    connections_max: int,
    connections_min: int = 1,
    losses: Losses | None = None,
) -> AsyncIterator["asyncpg.Pool[Any]"]:
    """A pool inside the block.

    Whoever takes a connection leaves nothing on its session: settings and locks are those of a
    transaction, and who listens has a connection of its own. So nothing is reset as one is given
    back, which would be a second round trip after each query. A transaction left open is rolled back.

    Where a network has forgotten a connection, who takes it gets a `TimeoutError` after three
    seconds, and the others are made anew; `losses` has counted it.
    """
    presence = _Presence(losses or Losses())
    presence.pool = asyncpg.create_pool(
        url,
        min_size=connections_min,
        max_size=connections_max,
        max_inactive_connection_lifetime=IDLE_SECONDS_MAX,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        server_settings=dict(KEEPALIVE),
        init=presence.made,
        setup=presence.taken,
        reset=presence.given_back,
    )
    pool = await presence.pool
    try:
        yield pool
    finally:
        with suppress(TimeoutError):  # a network may have forgotten one: nobody answers its goodbye
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await pool.close()


class _Presence:
    """When the connections of a pool were used last, and whether the server still knows them."""

    pool: "asyncpg.Pool[Any]"

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._used_at: dict[int, float] = {}

    async def made(self, connection: "asyncpg.Connection[Any]") -> None:
        pid = connection.get_server_pid()

        def ended(_: object) -> None:
            self._used_at.pop(pid, None)

        connection.add_termination_listener(ended)

    async def taken(self, connection: Any) -> None:
        used_at = self._used_at.get(connection.get_server_pid())
        if used_at is None or monotonic() - used_at <= QUIET_SECONDS_MAX:
            return
        try:
            await connection.execute("SELECT 1", timeout=PROBE_SECONDS_MAX)
        except Exception:
            self._losses.count += 1
            connection.terminate()  # else closing it would wait for an answer once more
            await self.pool.expire_connections()
            raise

    async def given_back(self, connection: Any) -> None:
        self._used_at[connection.get_server_pid()] = monotonic()
