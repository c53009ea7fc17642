"""The read model `runs`, asked: which runs nobody is working on any more."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from aigestion.projections.progress import Progress
from aigestion.queries.answer import checked_limit
from aigestion.queries.statements import fetch

RUNS_MAX = 1_000


class UnfinishedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was heard or started and has no end."""

    run_id: UUID
    tenant: str
    conversation_id: UUID
    agent: str
    in_reply_to: UUID
    """Id of the event that was heard."""
    event_position: int | None
    """Its position; None if it is of a type no agent need hear (a `user.action`)."""
    state: Literal["heard", "started"]
    touched_at: datetime
    """When the last of its events was recorded."""


class RunQueries:
    """Runs of all tenants: for the sweep that ends what a crash left open."""

    def __init__(self, pool: asyncpg.Pool, progress: Progress) -> None:
        self._pool = pool
        self._progress = progress

    async def unfinished(
        self, agents: Sequence[str], *, idle_before: datetime, limit: int
    ) -> list[UnfinishedRun]:
        """Runs without an end, last touched before `idle_before`, longest idle first.

        `agents`: whose; `<name>` is an agent of any tenant, `<tenant>/<name>` of one.
        """
        checked_limit(limit, RUNS_MAX)
        view, _ = await self._progress.at_least("runs")
        rows = await fetch(self._pool, "unfinished_runs", view, idle_before, limit, list(agents))
        return [msgspec.convert(dict(row), UnfinishedRun) for row in rows]
