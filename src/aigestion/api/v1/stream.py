"""A conversation live, as server-sent events."""

from functools import partial
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, QueryParameter

from aigestion.api.answers import MinPosition, problems
from aigestion.api.auth import Keys
from aigestion.api.delivery import OpenStreams
from aigestion.api.following import follow, must_exist, shown_of
from aigestion.api.request import ApiRequest
from aigestion.api.sse import EventStream
from aigestion.kernel.query import Query
from aigestion.queries.answer import BIGINT_MAX, invalid

After = Annotated[
    int, QueryParameter(ge=0, le=BIGINT_MAX, description="Begin behind this position.")
]
LastEventId = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", description="Sent by browsers; goes before `after`."),
]
STREAM = ResponseSpec(str, description="Server-sent events.", media_type="text/event-stream")


@get(
    "/conversations/{conversation_id:uuid}/stream",
    responses={**problems(404), 200: STREAM},
    media_type="text/event-stream",
    summary="Follow a conversation live",
    tags=["Conversations"],
)
async def stream(
    request: ApiRequest,
    conversation_id: FromPath[UUID],
    after: After = 0,
    min_position: MinPosition = 0,
    last_event_id: LastEventId = None,
) -> EventStream:
    """Recorded events with `id: <position>`, and `delta` events between them: pieces of a reply.

    Connect again with `Last-Event-ID` and the stream goes on behind it, without loss or repeats. If the
    key ends meanwhile, so does the stream: its last event is `end`, with the `code` that other requests get.
    Who takes nothing for 30 seconds is dropped: the last event is `dropped`, if it is still taken, and its
    `after` is the position to go on behind.
    """
    after = position_behind(after, last_event_id)
    doors, tenant = request.doors, request.tenant
    await check_room(request, min_position)
    await must_exist(doors, tenant, conversation_id)
    return streaming(request, shown_of(conversation_id), after, conversation_id)


async def check_room(request: ApiRequest, min_position: int) -> None:
    """Whether a stream that begins at this position may; raises `Overloaded`, `ViewBehind`."""
    streams: OpenStreams = request.app.state.streams
    streams.check()
    await request.doors.feed.at_least(min_position)


def streaming(
    request: ApiRequest, query: Query, after: int, conversation_id: UUID | None = None
) -> EventStream:
    """What matches, until its reader leaves, its key ends or the server drains."""
    doors = request.doors
    keys: Keys = request.app.state.api_keys
    return EventStream(
        follow(doors, request.tenant, query, after, conversation_id),
        after,
        doors.draining,
        request.app.state.streams,
        partial(keys.closed, request.auth.key),
    )


def position_behind(after: int, last_event_id: str | None) -> int:
    """Where a stream begins: behind the last event its reader has got, as it says either way."""
    return position_in("Last-Event-ID", last_event_id) if last_event_id else after


def position_in(field: str, text: str) -> int:
    """The position that a header or a parameter names."""
    if not (text.isascii() and text.isdigit()) or int(text) > BIGINT_MAX:
        raise invalid(field, "must be a position")
    return int(text)
