"""The log as a feed: a tenant's events in order of position."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath, QueryParameter

from aigestion.api.answers import (
    ETAG_HEADER,
    POSITION_HEADER,
    Answered,
    MinPosition,
    problems,
    reading,
)
from aigestion.api.request import ApiRequest
from aigestion.api.sse import EventStream
from aigestion.api.v1.stream import (
    STREAM,
    After,
    LastEventId,
    check_room,
    position_behind,
    streaming,
)
from aigestion.events.catalog import EVENTS
from aigestion.events.recorded import Recorded
from aigestion.kernel.query import matching
from aigestion.queries.answer import BIGINT_MAX, invalid
from aigestion.queries.feed import FEED_EVENTS_MAX

EVENTS_DEFAULT = 100

_TYPES = frozenset(event.stored_as for event in EVENTS)


class Feed(msgspec.Struct, frozen=True):
    """Some events; `next_after` is the `after` to go on with."""

    items: list[Recorded[Any]]
    next_after: int


Types = Annotated[
    list[str] | None, QueryParameter(name="type", description="Only events of these types.")
]


@get(
    "/",
    responses=reading(),
    response_headers=[POSITION_HEADER, ETAG_HEADER],
    summary="Read the log",
)
async def read_events(
    request: ApiRequest,
    after: Annotated[
        int,
        QueryParameter(ge=0, le=BIGINT_MAX, description="Only events later than this position."),
    ] = 0,
    types: Types = None,
    tag: Annotated[
        str | None,
        QueryParameter(description="Only events with this tag, e.g. `conversation:<id>`."),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=FEED_EVENTS_MAX)] = EVENTS_DEFAULT,
    min_position: MinPosition = 0,
) -> Answered[Feed]:
    """The tenant's events in order of position, opened."""
    _check_types(types)
    answer = await request.doors.feed.feed(
        request.tenant,
        after=after,
        types=types or (),
        tag=tag,
        limit=limit,
        min_position=min_position,
    )
    found = answer.data
    last = found[-1].position if found else after
    position = max(answer.position, last)
    return Answered(Feed(found, last if len(found) == limit else position), position)


@get(
    "/{event_id:uuid}",
    responses=reading(404),
    response_headers=[POSITION_HEADER, ETAG_HEADER],
    summary="Read an event",
)
async def read_event(
    request: ApiRequest, event_id: FromPath[UUID], min_position: MinPosition = 0
) -> Answered[Recorded[Any]]:
    """One of the tenant's events, opened."""
    answer = await request.doors.feed.event(request.tenant, event_id, min_position=min_position)
    return Answered(answer.data, answer.position)


@get(
    "/stream",
    responses={**problems(), 200: STREAM},
    media_type="text/event-stream",
    summary="Follow the log live",
)
async def stream_events(
    request: ApiRequest,
    after: After = 0,
    types: Types = None,
    min_position: MinPosition = 0,
    last_event_id: LastEventId = None,
) -> EventStream:
    """The tenant's events as they are recorded, `id: <position>`, opened: for dashboards and bridges.

    Connect again with `Last-Event-ID`, to any process, and the stream goes on without loss or repeats.
    """
    _check_types(types)
    after = position_behind(after, last_event_id)
    await check_room(request, min_position)
    return streaming(request, matching(types=tuple(types or ())), after)


def _check_types(types: list[str] | None) -> None:
    if not _TYPES.issuperset(types or ()):
        raise invalid("type", "is not a type of event")


events = Router("/events", route_handlers=[read_events, read_event, stream_events], tags=["Events"])
