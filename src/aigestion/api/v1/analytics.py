"""Usage over time, from ClickHouse."""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter

from aigestion.api.answers import READ_HEADERS, Answered, MinPosition, reading
from aigestion.api.limits import CHARGE
from aigestion.api.parameters import moment
from aigestion.api.request import ApiRequest
from aigestion.queries.answer import invalid
from aigestion.queries.usage import Bucket, UsagePoint
from aigestion.ratelimit.routes import Charge

DAYS_DEFAULT = 30
MINUTE = timedelta(minutes=1)


class Usage(msgspec.Struct, frozen=True):
    """A time series; a bucket in which nothing happened has no point."""

    items: list[UsagePoint]
    stale: bool = False
    """Something may be missing: some of what happened waits in quarantine."""


@get(
    "/analytics/usage",
    opt={CHARGE: Charge("read", cost=5)},
    responses=reading(),
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
            description=f"ISO 8601; {DAYS_DEFAULT} days before `to` if not given.",
        ),
    ] = None,
    end: Annotated[
        str | None,
        QueryParameter(
            name="to",
            max_length=64,
            description="ISO 8601; the end of the present minute if not given.",
        ),
    ] = None,
    by: Annotated[Bucket, QueryParameter(description="The length of a bucket.")] = "day",
    min_position: MinPosition = 0,
) -> Answered[Usage]:
    """Events, messages, replies, failures, model calls and tokens, by hour, day or longer."""
    until = moment("to", end) if end else _next_minute(request.doors.clock())
    since = moment("from", start) if start else until - timedelta(days=DAYS_DEFAULT)
    if since >= until:
        raise invalid("from", "must be before to")
    answer = await request.doors.usage.usage(
        request.tenant, start=since, end=until, by=by, min_position=min_position
    )
    counted = Usage(answer.data, answer.stale)
    return Answered(counted, answer.position, stale=answer.stale)


def _next_minute(now: datetime) -> datetime:
    """What is asked for "until now" is one question a minute, and not a new one each time."""
    begun = now.replace(second=0, microsecond=0)
    return begun if begun == now else begun + MINUTE
