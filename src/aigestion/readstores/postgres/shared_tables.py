"""Tables of the schema `views` that every process shares and the first one to need them makes."""

import asyncpg

from aigestion.readstores.postgres.answering import answering
from aigestion.readstores.postgres.store import PREPARING_LOCK


class SharedTables:
    """Made if they are missing: looked for once a process, made by one process at a time."""

    def __init__(self, pool: asyncpg.Pool, *, there: str, script: str) -> None:
        """`there`: a statement that says whether they are. `script`: what makes them."""
        self._pool = pool
        self._there = there
        self._script = script
        self._made = False

    async def made(self) -> None:
        """Returns once they are there."""
        if self._made:
            return
        with answering():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", PREPARING_LOCK)
                if not await connection.fetchval(self._there):
                    await connection.execute(self._script)
        self._made = True
