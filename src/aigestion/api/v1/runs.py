"""Runs: what agents did with what they heard."""

from typing import Annotated
from uuid import UUID

from litestar import Router, get
from litestar.params import FromPath, QueryParameter

from aigestion.api.answers import (
    PAGE_HEADERS,
    PAGE_ITEMS_DEFAULT,
    READ_HEADERS,
    Answered,
    Cursor,
    Limit,
    MinPosition,
    answered,
    reading,
)
from aigestion.api.parameters import AGENT_CHARS_MAX, MOMENT_CHARS_MAX, checked_text, period
from aigestion.api.request import ApiRequest
from aigestion.queries.answer import Page
from aigestion.queries.runs import Run, RunFilter, RunState, RunSummary


@get("/", responses=reading(), response_headers=PAGE_HEADERS, summary="List runs")
async def list_runs(
    request: ApiRequest,
    conversation_id: Annotated[
        UUID | None, QueryParameter(description="Only runs of this conversation.")
    ] = None,
    agent: Annotated[
        str | None,
        QueryParameter(max_length=AGENT_CHARS_MAX, description="Only runs of this agent."),
    ] = None,
    run_state: Annotated[
        RunState | None, QueryParameter(name="state", description="Only runs that got so far.")
    ] = None,
    start: Annotated[
        str | None,
        QueryParameter(
            name="from",
            max_length=MOMENT_CHARS_MAX,
            description="ISO 8601: only runs begun then or later.",
        ),
    ] = None,
    end: Annotated[
        str | None,
        QueryParameter(
            name="to", max_length=MOMENT_CHARS_MAX, description="ISO 8601: only runs begun before."
        ),
    ] = None,
    limit: Limit = PAGE_ITEMS_DEFAULT,
    cursor: Cursor = None,
    min_position: MinPosition = 0,
) -> Answered[Page[RunSummary]]:
    """The tenant's runs, newest first."""
    since, until = period(start, end)
    which = RunFilter(
        conversation_id=conversation_id,
        agent=None if agent is None else checked_text("agent", agent),
        state=run_state,
        since=since,
        until=until,
    )
    return answered(
        await request.doors.runs.page(
            request.tenant, which, limit=limit, cursor=cursor, min_position=min_position
        )
    )


@get("/{run_id:uuid}", responses=reading(404), response_headers=READ_HEADERS, summary="Read a run")
async def read_run(
    request: ApiRequest, run_id: FromPath[UUID], min_position: MinPosition = 0
) -> Answered[Run]:
    """A run step by step: what was found, which models were asked, what they used, how it ended."""
    return answered(await request.doors.runs.run(request.tenant, run_id, min_position=min_position))


runs = Router("/runs", route_handlers=[list_runs, read_run], tags=["Runs"])
