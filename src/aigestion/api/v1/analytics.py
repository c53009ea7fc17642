"""Usage over time, from ClickHouse."""

from datetime import timedelta
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter

from aigestion.api.answers import READ_HEADERS, Answered, MinPosition, problems
from aigestion.api.parameters import moment
from aigestion.api.request import ApiRequest
from aigestion.queries.answer import invalid
from aigestion.queries.usage import Bucket, UsagePoint

DAYS_DEFAULT = 30


class Usage(msgspec.Struct, frozen=True):
    """A time series; a bucket in which nothing happened has no point."""

    items: list[UsagePoint]
    stale: bool = False
    """Something may be missing: some of what happened waits in quarantine."""


@get(
    "/analytics/usage",
    responses=problems(),
    response_headers=READ_HEADERS,
    summary="Count what happened",
    tags=["Analytics"],
)
async def usage(
    request: ApiRequest,
    start: Annotated[
        str | None,
        QueryParameter(
            name="from",
            max_length=64,
            description=f"ISO 8601; {DAYS_DEFAULT} days back if not given.",
        ),
    ] = None,
    end: Annotated[
        str | None,
        QueryParameter(name="to", max_length=64, description="ISO 8601; now if not given."),
    ] = None,
    by: Annotated[Bucket, QueryParameter(description="The length of a bucket.")] = "day",
    min_position: MinPosition = 0,
) -> Answered[Usage]:
    """Events, messages, replies, failures, model calls and tokens, by hour, day or longer."""
    until = moment("to", end) if end else request.doors.clock()
    since = moment("from", start) if start else until - timedelta(days=DAYS_DEFAULT)
    if since >= until:
        raise invalid("from", "must be before to")
    answer = await request.doors.usage.usage(
        request.tenant, start=since, end=until, by=by, min_position=min_position
    )
    counted = Usage(answer.data, answer.stale)
    return Answered(counted, answer.position, stale=answer.stale)
