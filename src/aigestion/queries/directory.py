"""The read model `directory`, asked: which agents a tenant has."""

import asyncpg
import msgspec

from aigestion.projections.progress import Progress
from aigestion.queries.statements import fetch


class AgentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An agent of a tenant."""

    tenant: str
    agent: str
    description: str
    hears: tuple[str, ...]
    """Stored names of the event types it reacts to."""


class DirectoryQueries:
    """Agents of one tenant; another tenant's do not exist."""

    def __init__(self, pool: asyncpg.Pool, progress: Progress) -> None:
        self._pool = pool
        self._progress = progress

    async def agent(self, tenant: str, name: str, *, min_position: int = 0) -> AgentRecord | None:
        """One agent; None if the tenant has none of that name."""
        agents = await self._agents(tenant, name, min_position)
        return agents[0] if agents else None

    async def agents(self, tenant: str, *, min_position: int = 0) -> list[AgentRecord]:
        """A tenant's agents by name."""
        return await self._agents(tenant, None, min_position)

    async def _agents(self, tenant: str, name: str | None, min_position: int) -> list[AgentRecord]:
        view, _ = await self._progress.at_least("directory", min_position)
        rows = await fetch(self._pool, "agents", view, tenant, name)
        return [
            msgspec.convert({**row, "hears": msgspec.json.decode(row["hears"])}, AgentRecord)
            for row in rows
        ]
