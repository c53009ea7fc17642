"""Which view of a projection serves, kept in PostgreSQL (schema `views`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import asyncpg

from aigestion.kernel.errors import NotFound
from aigestion.readstores.port import View
from aigestion.readstores.postgres.answering import answering
from aigestion.readstores.postgres.shared_tables import SharedTables
from aigestion.readstores.postgres.store import PREPARING_LOCK, SCRIPTS

State = Literal["building", "active", "retired"]

_PREPARE = (SCRIPTS / "views.sql").read_text()
_PREPARED = """
SELECT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = to_regclass('views.views') AND attname = 'rolled_back'
)
"""
_ACTIVE = """
SELECT projection, version, generation FROM views.views
WHERE projection = $1 AND state = 'active'
"""
_CREATE = """
INSERT INTO views.views (projection, version, generation, state)
SELECT $1, $2, coalesce(max(generation), 0) + 1, 'building'
FROM views.views WHERE projection = $1
RETURNING projection, version, generation
"""
_RETIRE = """
UPDATE views.views SET state = 'retired'
WHERE projection = $1 AND state = 'active'
"""
_ACTIVATE = """
UPDATE views.views SET state = 'active'
WHERE projection = $1 AND version = $2 AND generation = $3 AND state <> 'forgotten'
"""
_NOT_WANTED = """
UPDATE views.views SET rolled_back = true
WHERE projection = $1 AND state = 'active' AND generation <> $2
"""
_WANTED = """
UPDATE views.views SET rolled_back = false
WHERE projection = $1 AND version <= $2 AND rolled_back
"""
_ROLLED_BACK = """
SELECT coalesce(max(version), 0) FROM views.views
WHERE projection = $1 AND rolled_back
"""
_ALL = """
SELECT projection, version, generation, state FROM views.views
WHERE state <> 'forgotten'
ORDER BY projection, generation
"""
_FORGET = """
UPDATE views.views SET state = 'forgotten'
WHERE projection = $1 AND version = $2 AND generation = $3
"""


class PostgresViewRegistry:
    """At most one view of a projection is active, whoever asks and whoever switches."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._tables = SharedTables(pool, there=_PREPARED, script=_PREPARE)

    async def active(self, projection: str) -> View | None:
        """The view that queries read; None before the first one is activated."""
        await self._tables.made()
        with answering():
            row = await self._pool.fetchrow(_ACTIVE, projection)
        return View(*row) if row else None

    async def create(self, projection: str, version: int) -> View:
        """The next generation, in state `building`. No generation is ever used twice."""
        await self._tables.made()
        with answering():
            async with self._alone() as connection:
                row = await connection.fetchrow(_CREATE, projection, version)
        return View(*row)

    async def activate(self, view: View) -> None:
        """Switch to this view at once; the former one is retired. `NotFound` for an unknown view."""
        await self._tables.made()
        with answering():
            async with self._alone() as connection:
                await connection.execute(_WANTED, view.projection, view.version)
                await _switch(connection, view)

    async def roll_back(self, view: View) -> None:
        """As `activate`, and remember that the one that served was not wanted."""
        await self._tables.made()
        with answering():
            async with self._alone() as connection:
                await connection.execute(_WANTED, view.projection, view.version)
                await connection.execute(_NOT_WANTED, view.projection, view.generation)
                await _switch(connection, view)

    async def rolled_back(self, projection: str) -> int:
        """The highest version that was rolled back from, since a view of it was activated; else 0."""
        await self._tables.made()
        with answering():
            return int(await self._pool.fetchval(_ROLLED_BACK, projection))

    async def all(self) -> list[tuple[View, State]]:
        """Every view and its state, by projection, oldest first."""
        await self._tables.made()
        with answering():
            rows = await self._pool.fetch(_ALL)
        return [(View(*row[:3]), row[3]) for row in rows]

    async def forget(self, view: View) -> None:
        """Strike the view off the list. Idempotent."""
        await self._tables.made()
        with answering():
            await self._pool.execute(_FORGET, *_key(view))

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Any]:
        """A transaction that waits for every other one that changes views."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", PREPARING_LOCK)
            yield connection


async def _switch(connection: Any, view: View) -> None:
    await connection.execute(_RETIRE, view.projection)
    if await connection.execute(_ACTIVATE, *_key(view)) != "UPDATE 1":
        raise NotFound(f"There is no view {view.name}.")


def _key(view: View) -> tuple[str, int, int]:
    return view.projection, view.version, view.generation
