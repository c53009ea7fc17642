"""Finished work on read models by its `Idempotency-Key`, in PostgreSQL (schema `views`)."""

import asyncpg

from aigestion.kernel.context import Request
from aigestion.kernel.errors import IdempotencyKeyReused
from aigestion.readstores.postgres.answering import answering
from aigestion.readstores.postgres.shared_tables import SharedTables
from aigestion.readstores.postgres.store import SCRIPTS

KEPT_DAYS = 7

_THERE = "SELECT to_regclass('views.finished_work') IS NOT NULL"
_MAKE = (SCRIPTS / "finished_work.sql").read_text()
_FIND = "SELECT fingerprint, line FROM views.finished_work WHERE request = $1"
_KEEP = """
INSERT INTO views.finished_work (request, fingerprint, line) VALUES ($1, $2, $3)
ON CONFLICT (request) DO NOTHING
"""
_FORGET_OLD = "DELETE FROM views.finished_work WHERE finished_at < now() - $1 * interval '1 day'"


class PostgresFinishedWork:
    """A row a request, for a week."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._table = SharedTables(pool, there=_THERE, script=_MAKE)

    async def find(self, request: Request) -> bytes | None:
        """The line this request ended with. `IdempotencyKeyReused` if its key came with another one."""
        await self._table.made()
        with answering():
            row = await self._pool.fetchrow(_FIND, request.tag)
        if row is None:
            return None
        if row["fingerprint"] != request.fingerprint:
            raise IdempotencyKeyReused("This Idempotency-Key was used for another request before.")
        return bytes(row["line"])

    async def keep(self, request: Request, line: bytes) -> None:
        """Another process may have been faster: the first line stays."""
        await self._table.made()
        with answering():
            await self._pool.execute(_KEEP, request.tag, request.fingerprint, line)
            await self._pool.execute(_FORGET_OLD, KEPT_DAYS)
