"""Runs: what agents did with what they heard, and stopping them."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath, QueryParameter

from aigestion.api.answers import (
    PAGE_HEADERS,
    PAGE_ITEMS_DEFAULT,
    POSITION_HEADER,
    READ_HEADERS,
    Answered,
    Cursor,
    IdempotencyKey,
    Limit,
    MinPosition,
    answered,
    problems,
    reading,
)
from aigestion.api.doors import Doors
from aigestion.api.parameters import AGENT_CHARS_MAX, MOMENT_CHARS_MAX, checked_text, period
from aigestion.api.request import ApiRequest
from aigestion.commands.run.cancel_run import CancelRun
from aigestion.commands.run.state import Origin
from aigestion.kernel.context import Context
from aigestion.kernel.errors import NotFound
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


class CancelRequested(msgspec.Struct, frozen=True):
    """It is in the log that the run is to stop."""

    run_id: UUID
    position: int


@post(
    "/{run_id:uuid}/cancel",
    status_code=202,
    responses=problems(404, 409, 413, 422),
    response_headers=[POSITION_HEADER],
    summary="Stop a run",
)
async def cancel_run(
    request: ApiRequest, run_id: FromPath[UUID], idempotency_key: IdempotencyKey = None
) -> Answered[CancelRequested]:
    """Stop a run, whichever process works on it. What it had said is kept.

    It ends with `run.cancelled`, usually within a second; the stream of the conversation says so. A
    reply that was finished first stays as it is. Again is no news; 409 `run-ended` if the run replied
    or failed.
    """
    asked = await stop(request.doors, await request.context(idempotency_key), run_id)
    return Answered(asked, asked.position)


async def stop(doors: Doors, context: Context, run_id: UUID) -> CancelRequested:
    """Ask that a run of the tenant stops."""
    try:
        outcome = await doors.dispatcher.dispatch(CancelRun(run_id=run_id), context)
    except NotFound:  # or only heard so far
        run = (await doors.runs.run(context.tenant, run_id)).data
        heard = Origin(run.conversation_id, run.agent)
        outcome = await doors.dispatcher.dispatch(CancelRun(run_id=run_id, heard=heard), context)
    return CancelRequested(run_id, outcome.position)


runs = Router("/runs", route_handlers=[list_runs, read_run, cancel_run], tags=["Runs"])
