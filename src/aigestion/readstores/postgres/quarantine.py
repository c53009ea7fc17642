"""The quarantine in PostgreSQL (schema `views`): kept apart from the views, whatever engine those are in."""

from collections.abc import Mapping, Sequence
from functools import cache

import asyncpg
import msgspec

from aigestion.readstores.parked import ParkedEvent, ParkedKey
from aigestion.readstores.port import View
from aigestion.readstores.postgres.answering import answering
from aigestion.readstores.postgres.shared_tables import SharedTables
from aigestion.readstores.postgres.store import SCRIPTS

_THERE = "SELECT to_regclass('views.parked_events') IS NOT NULL"


class PostgresQuarantine:
    """A row a parked event and a row a parked key. Its commits wait for the disk: a view's need not."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._tables = SharedTables(pool, there=_THERE, script=_sql("tables"))

    async def park(self, view: View, events: Sequence[ParkedEvent]) -> None:
        """Keep these, durably when it returns. A position that is parked already stays as it is."""
        columns = [
            [getattr(event, name) for event in events]
            for name in ("position", "key", "tenant", "type", "error")
        ]
        await self._tables.made()
        with answering():
            await self._pool.execute(_sql("park"), view.name, *columns)

    async def keys(self, view: View) -> Mapping[str, ParkedKey]:
        """The parked keys in order of their first events."""
        await self._tables.made()
        with answering():
            rows = await self._pool.fetch(_sql("keys"), view.name)
        return {row["key"]: msgspec.convert(dict(row), ParkedKey) for row in rows}

    async def events(self, view: View, key: str, limit: int) -> list[ParkedEvent]:
        """The first parked events of a key, in order."""
        await self._tables.made()
        with answering():
            rows = await self._pool.fetch(_sql("events"), view.name, key, limit)
        return [msgspec.convert(dict(row), ParkedEvent) for row in rows]

    async def ask(self, view: View, key: str | None = None) -> int:
        """Ask for a redrive of a key, or of all; returns of how many. The view's runner sees it."""
        await self._tables.made()
        with answering():
            done: str = await self._pool.execute(_sql("ask"), view.name, key)
        return int(done.removeprefix("UPDATE "))

    async def remove(self, view: View, key: str, position: int) -> None:
        """This event was applied. Its key is gone with its last event. Idempotent."""
        await self._tables.made()
        with answering():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_sql("remove"), view.name, key, position)
                await connection.execute(_sql("remove_key"), view.name, key)

    async def failed(self, view: View, key: str, position: int, error: str) -> None:
        """A redrive got no further than this event; nobody asks for it any more."""
        await self._tables.made()
        with answering():
            await self._pool.execute(_sql("failed"), view.name, key, position, error)

    async def forget(self, view: View) -> None:
        """The view was dropped. Idempotent."""
        await self._tables.made()
        with answering():
            await self._pool.execute(_sql("forget"), view.name)


@cache
def _sql(name: str) -> str:
    return (SCRIPTS / "quarantine" / f"{name}.sql").read_text()
