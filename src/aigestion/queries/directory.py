"""The read model `directory`, asked: which tenants there are, which agents a tenant has."""

from datetime import datetime
from typing import Annotated

import asyncpg
import msgspec

from aigestion.projections.progress import Progress
from aigestion.queries.answer import Answer, Cursors, Page, checked_limit
from aigestion.queries.statements import fetch
from aigestion.readstores.port import View


class TenantRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant."""

    tenant: str
    name: str
    """What people call it."""
    created_at: datetime
    position: int
    """Of the event that made it."""


class AgentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An agent of a tenant."""

    tenant: str
    agent: str
    description: str
    hears: tuple[str, ...]
    """Stored names of the event types it reacts to."""
    agent_version: int = 0
    """The latest version of its definition; 0 if the tenant has defined none."""


class DirectoryQueries:
    """Tenants for the operator; agents within a tenant: another tenant's do not exist."""

    def __init__(self, pool: asyncpg.Pool, progress: Progress) -> None:
        self._pool = pool
        self._progress = progress

    async def tenants(
        self, *, limit: int, cursor: str | None = None, min_position: int = 0
    ) -> Answer[Page[TenantRecord]]:
        """All tenants by name. `InvalidInput` for a bad limit or cursor."""
        checked_limit(limit)
        cursors = Cursors(_After, ("tenants",))
        key = cursors.decode(cursor)
        view, position = await self._progress.at_least("directory", min_position)
        after = key.tenant if key else None
        rows = await fetch(self._pool, "tenants_page", view, after, limit + 1)
        found = [msgspec.convert(dict(row), TenantRecord) for row in rows]
        return Answer(position, cursors.page(found, limit, lambda last: _After(last.tenant)))

    async def agent(self, tenant: str, name: str, *, min_position: int = 0) -> AgentRecord | None:
        """One agent; None if the tenant has none of that name."""
        view, _ = await self._progress.at_least("directory", min_position)
        agents = await self._agents(view, tenant, name)
        return agents[0] if agents else None

    async def agents(self, tenant: str, *, min_position: int = 0) -> Answer[list[AgentRecord]]:
        """A tenant's agents by name."""
        view, position = await self._progress.at_least("directory", min_position)
        stale = self._progress.stale("directory", tenant)
        return Answer(position, await self._agents(view, tenant, None), stale)

    async def defined(self) -> list[str]:
        """The agents that tenants defined, each as `<tenant>/<name>`."""
        view, _ = await self._progress.at_least("directory")
        return [row["key"] for row in await fetch(self._pool, "defined_agents", view)]

    async def _agents(self, view: View, tenant: str, name: str | None) -> list[AgentRecord]:
        rows = await fetch(self._pool, "agents", view, tenant, name)
        return [
            msgspec.convert({**row, "hears": msgspec.json.decode(row["hears"])}, AgentRecord)
            for row in rows
        ]


class _After(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tenant: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,63}$")]
