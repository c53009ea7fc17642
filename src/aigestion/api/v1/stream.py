"""A conversation live: recorded events, and between them the pieces of a reply being written."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, QueryParameter

from aigestion.api.answers import MinPosition, problems
from aigestion.api.auth import Keys
from aigestion.api.doors import Doors
from aigestion.api.request import ApiRequest
from aigestion.api.sse import HEARTBEAT, EventStream, OpenStreams, frame
from aigestion.events.conversation import (
    AgentReplied,
    ConversationArchived,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnarchived,
    UserAction,
    UserAskedAgain,
    UserChat,
    UserVoice,
)
from aigestion.events.recorded import Recorded
from aigestion.events.run import (
    ModelFailed,
    RunCancelled,
    RunCancelRequested,
    RunFailed,
    RunStarted,
)
from aigestion.kernel.errors import NotFound
from aigestion.kernel.query import Query, matching
from aigestion.messaging.live import Listener
from aigestion.messaging.port import Delta, LiveItem, Wake
from aigestion.queries.answer import BIGINT_MAX, invalid

SHOWN = (
    ConversationStarted,
    ConversationRenamed,
    ConversationArchived,
    ConversationUnarchived,
    UserChat,
    UserVoice,
    UserAction,
    UserAskedAgain,
    RunStarted,
    AgentReplied,
    RunFailed,
    ModelFailed,
    RunCancelRequested,
    RunCancelled,
)
EVENTS_READ_MAX = 200
RUNS_REMEMBERED_MAX = 100


class Piece(msgspec.Struct, frozen=True):
    """The data of a `delta`: a piece of the reply that a run is writing."""

    run_id: UUID
    text: str


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
    """
    after = position_behind(after, last_event_id)
    doors, tenant = request.doors, request.tenant
    await check_room(request, min_position)
    await must_exist(doors, tenant, conversation_id)
    frames = follow(doors, tenant, shown_of(conversation_id), after, conversation_id)
    return streaming(request, frames)


async def check_room(request: ApiRequest, min_position: int) -> None:
    """Whether a stream that begins at this position may; raises `Overloaded`, `ViewBehind`."""
    streams: OpenStreams = request.app.state.streams
    streams.check()
    await request.doors.feed.at_least(min_position)


def streaming(request: ApiRequest, frames: AsyncGenerator[bytes, None]) -> EventStream:
    """The frames, until their reader leaves, its key ends or the server drains."""
    keys: Keys = request.app.state.api_keys
    closed = partial(keys.closed, request.auth.key)
    return EventStream(frames, request.doors.draining, request.app.state.streams, closed)


async def follow(
    doors: Doors, tenant: str, query: Query, after: int, conversation_id: UUID | None = None
) -> AsyncGenerator[bytes, None]:
    """What is `followed`, as frames."""
    async with aclosing(followed(doors, tenant, query, after, conversation_id)) as items:
        async for item in items:
            match item:
                case Recorded():
                    yield frame(item.type, item, item.position)
                case Piece():
                    yield frame("delta", item)
                case None:
                    yield HEARTBEAT


async def followed(
    doors: Doors, tenant: str, query: Query, after: int, conversation_id: UUID | None = None
) -> AsyncGenerator[Recorded[Any] | Piece | None, None]:
    """For ever the tenant's events that match, and of a conversation the pieces of its replies.

    What is recorded is read from the log; the live hub only says when. None: nothing, for a while.
    """
    query = query.scoped(tenant)
    seen = _Seen(after)
    async with doors.live.listen(tenant, conversation_id) as listener:  # before the log is read
        stale = True
        while True:
            head = await doors.log.head() if stale else 0
            while stale:
                events = await doors.log.read(query, after=seen.position, limit=EVENTS_READ_MAX)
                for event in events:
                    yield event
                    seen.event(event)
                stale = len(events) == EVENTS_READ_MAX
            seen.position = max(seen.position, head)  # what does not match is not read again
            try:
                item = await _next(listener, doors.limits.heartbeat_seconds)
            except StopAsyncIteration:  # the hub stops
                return
            match item:
                case Delta():
                    if seen.delta(item):
                        yield Piece(item.run_id, item.text)
                case Wake(position):
                    stale = position is None or position > seen.position
                    if position is None:
                        seen.gap()
                case None:
                    yield None
                    stale = True


class _Seen:
    """What this watcher has got, and so which pieces it still has a use for."""

    def __init__(self, position: int) -> None:
        self.position = position
        self._open: OrderedDict[UUID, bool] = OrderedDict()
        """Run -> whether its pieces are still of use."""

    def event(self, event: Recorded[Any]) -> None:
        self.position = event.position
        if isinstance(event.data, AgentReplied | RunFailed | RunCancelled):
            self._remember(event.data.run_id, False)

    def delta(self, delta: Delta) -> bool:
        """Whether to show it: not if its run has ended, or a piece of it was missed."""
        if delta.run_id not in self._open:
            self._remember(delta.run_id, True)
        return self._open[delta.run_id]

    def gap(self) -> None:
        """Pieces may be missing: what is half shown is completed by the recorded reply."""
        for run_id in self._open:
            self._open[run_id] = False

    def _remember(self, run_id: UUID, useful: bool) -> None:
        self._open[run_id] = useful
        if len(self._open) > RUNS_REMEMBERED_MAX:
            self._open.popitem(last=False)


async def _next(listener: Listener, timeout_seconds: float) -> LiveItem | None:
    """The next item; None when there was none for a while."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await anext(listener)
    except TimeoutError:
        return None


def shown_of(conversation_id: UUID) -> Query:
    """What a stream of a conversation shows."""
    return _of(conversation_id, *SHOWN)


async def must_exist(doors: Doors, tenant: str, conversation_id: UUID) -> None:
    """Raises `NotFound` if the tenant has no such conversation."""
    query = _of(conversation_id, ConversationStarted).scoped(tenant)
    if not await doors.log.read(query, limit=1):
        raise NotFound("There is no such conversation.")


def _of(conversation_id: UUID, *types: type[Any]) -> Query:
    return matching(f"conversation:{conversation_id}", types=tuple(one.stored_as for one in types))


def position_behind(after: int, last_event_id: str | None) -> int:
    """Where a stream begins: behind the last event its reader has got, as it says either way."""
    if not last_event_id:
        return after
    if not (last_event_id.isascii() and last_event_id.isdigit()):
        raise invalid("Last-Event-ID", "must be a position")
    if (position := int(last_event_id)) > BIGINT_MAX:
        raise invalid("Last-Event-ID", "must be a position")
    return position
