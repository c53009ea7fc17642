"""The pool of connections to PostgreSQL that reads, views and keys share."""

from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg

CONNECT_TIMEOUT_SECONDS = 5.0
COMMAND_TIMEOUT_SECONDS = 10.0
IDLE_SECONDS_MAX = 15.0
"""A connection nobody used for so long is not kept: a network may have forgotten it without a word."""
KEEPALIVE = {
    # The server lets go of a peer whose machine is gone after about ten seconds, not two hours.
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}


def opened_pool(
    url: str, *, connections_max: int, connections_min: int = 1
) -> "AbstractAsyncContextManager[asyncpg.Pool[Any]]":
    """A pool inside the block.

    Whoever takes a connection leaves nothing on its session: settings and locks are those of a
    transaction, and who listens has a connection of its own. So nothing is reset as one is given
    back, which would be a second round trip after each query. A transaction left open is rolled back.
    """
    return asyncpg.create_pool(
        url,
        min_size=connections_min,
        max_size=connections_max,
        max_inactive_connection_lifetime=IDLE_SECONDS_MAX,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        server_settings=dict(KEEPALIVE),
        reset=_nothing,
    )


async def _nothing(_connection: object) -> None:
    pass
