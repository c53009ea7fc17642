"""The read model `runs`, asked: list, one run step by step, and what nobody is working on any more."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from aigestion.events.run import RetrievedPassage
from aigestion.kernel.errors import NotFound, Unavailable
from aigestion.projections.keys import key_of
from aigestion.projections.progress import Progress
from aigestion.queries.answer import Answer, Cursors, Page, Position, checked_limit
from aigestion.queries.statements import fetch

RUNS_MAX = 1_000

RunState = Literal["heard", "started", "replied", "failed", "cancelled"]
CallState = Literal["open", "completed", "failed"]


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are asked for; what is None does not matter."""

    conversation_id: UUID | None = None
    agent: str | None = None
    state: RunState | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Begun from `since` on, and before `until`."""


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list of runs."""

    run_id: UUID
    conversation_id: UUID
    agent: str
    in_reply_to: UUID
    """Id of the event it replies to."""
    state: RunState
    """`heard`: no agent has taken it up yet."""
    reason: str | None
    """Why it ended without a reply."""
    begun_at: datetime
    """When there was something to react to."""
    started_at: datetime | None
    """When an agent took it up."""
    ended_at: datetime | None
    calls: int
    """How often a model was asked."""
    position: int
    """Of the event it began with; the list is ordered by it, newest first."""


class Retrieval(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent found before it asked a model."""

    at: datetime
    turns: int
    """How many earlier messages of the conversation are in the context."""
    passages: list[RetrievedPassage]
    """Best first; `passage` is an index into the passages of the document."""


class ModelCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a model."""

    call_id: UUID
    attempt: int
    state: CallState
    provider: str
    requested_model: str
    returned_model: str | None
    """The model that answered."""
    parameters: dict[str, Any]
    requested_at: datetime
    ended_at: datetime | None
    first_token_seconds: float | None
    duration_seconds: float | None
    usage: dict[str, Any] | None
    """The provider's own usage object, untouched."""
    input_tokens: int | None
    output_tokens: int | None
    reason: str | None
    """Why the answer ended, in the provider's word, or why there is none."""
    message: str | None
    """What went wrong."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's reaction to one event, step by step."""

    run_id: UUID
    conversation_id: UUID
    agent: str
    in_reply_to: UUID
    state: RunState
    reason: str | None
    notice: str | None
    """What the user was told instead of a reply."""
    begun_at: datetime
    started_at: datetime | None
    retrieval: Retrieval | None
    calls: list[ModelCall]
    """In the order they were made."""
    cancel_requested_at: datetime | None
    """When somebody asked to stop it."""
    ended_at: datetime | None
    position: int
    stale: bool = False
    """Later steps may be missing: the run waits in quarantine."""


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
    """Runs of one tenant; and, for the sweep, those of all tenants that a crash left open."""

    def __init__(self, pool: asyncpg.Pool, progress: Progress) -> None:
        self._pool = pool
        self._progress = progress

    async def page(
        self,
        tenant: str,
        which: RunFilter,
        *,
        limit: int,
        cursor: str | None = None,
        min_position: int = 0,
    ) -> Answer[Page[RunSummary]]:
        """The latest runs first. `InvalidInput` for a bad limit or cursor."""
        checked_limit(limit)
        cursors = Cursors(_Before, ("runs", tenant, which))
        key = cursors.decode(cursor)
        view, position = await self._progress.at_least("runs", min_position)
        stale = self._progress.stale("runs", tenant)
        rows = await fetch(
            self._pool,
            "runs_page",
            view,
            tenant,
            key.position if key else None,
            None if which.conversation_id is None else str(which.conversation_id),
            which.agent,
            which.state,
            which.since,
            which.until,
            limit + 1,
        )
        found = [msgspec.convert(dict(row), RunSummary) for row in rows]
        page = cursors.page(found, limit, lambda last: _Before(last.position))
        return Answer(position, page, stale)

    async def run(self, tenant: str, run_id: UUID, *, min_position: int = 0) -> Answer[Run]:
        """One run. `NotFound` if the tenant has none of that id.

        `Unavailable` if its beginning is in quarantine.
        """
        view, position = await self._progress.at_least("runs", min_position)
        stale = self._progress.stale("runs", tenant, key_of(tenant, "run", run_id))
        found = await fetch(self._pool, "run", view, tenant, str(run_id))
        if not found:
            if stale:
                raise Unavailable("The run is in quarantine.", engine="runs")
            raise NotFound("There is no such run.")
        calls = await fetch(self._pool, "run_calls", view, tenant, str(run_id))
        return Answer(position, _run(found[0], calls), stale)

    async def unfinished(
        self, agents: Sequence[str], *, idle_before: datetime, limit: int
    ) -> list[UnfinishedRun]:
        """Runs without an end, last touched before `idle_before`, longest idle first.

        `agents`: whose; `<name>` is an agent of any tenant, `<tenant>/<name>` of one.
        """
        checked_limit(limit, RUNS_MAX)
        view = self._progress.serving("runs")
        rows = await fetch(self._pool, "unfinished_runs", view, idle_before, limit, list(agents))
        return [msgspec.convert(dict(row), UnfinishedRun) for row in rows]


class _Before(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    position: Position


def _run(row: asyncpg.Record, calls: Sequence[asyncpg.Record]) -> Run:
    retrieval = None
    if row["retrieved_at"] is not None:
        passages = msgspec.json.decode(row["passages"])
        retrieval = {"at": row["retrieved_at"], "turns": row["turns"], "passages": passages}
    made = [
        call | {name: _opened(call[name]) for name in ("parameters", "usage")}
        for call in map(dict, calls)
    ]
    return msgspec.convert({**row, "retrieval": retrieval, "calls": made}, Run)


def _opened(json: str | None) -> Any:
    return None if json is None else msgspec.json.decode(json)
