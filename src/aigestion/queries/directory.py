"""The read model `directory`, asked: whose key this is, which agents a tenant has."""

import asyncpg
import msgspec

from aigestion.projections.progress import Progress


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An issued API key; the key itself is nowhere."""

    key_id: str
    tenant: str
    secret_hash: str
    name: str
    revoked: bool


class AgentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An agent of a tenant."""

    tenant: str
    agent: str
    description: str
    hears: tuple[str, ...]
    """Stored names of the event types it reacts to."""


class DirectoryQueries:
    """Keys are looked up before anybody's tenant is known; agents within a tenant."""

    def __init__(self, pool: asyncpg.Pool, progress: Progress) -> None:
        self._pool = pool
        self._progress = progress

    async def key(self, key_id: str, *, min_position: int = 0) -> KeyRecord | None:
        """The key of this id, revoked or not; None if nobody issued it."""
        raise NotImplementedError

    async def agent(self, tenant: str, name: str, *, min_position: int = 0) -> AgentRecord | None:
        """One agent; None if the tenant has none of that name."""
        raise NotImplementedError

    async def agents(self, tenant: str, *, min_position: int = 0) -> list[AgentRecord]:
        """A tenant's agents by name."""
        raise NotImplementedError
