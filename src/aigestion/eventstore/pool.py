"""The pool of connections to PostgreSQL that reads, views and keys share."""

from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg

COMMAND_TIMEOUT_SECONDS = 30.0


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
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        reset=_nothing,
    )


async def _nothing(_connection: object) -> None:
    pass
