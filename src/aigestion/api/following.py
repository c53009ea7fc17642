"""What a watcher is to be sent next: recorded events, and between them the pieces of a reply being written."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import msgspec

from aigestion.api.doors import Doors
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
EVENTS_READ_MAX = 50
"""Held for each watcher, so for each that does not read as well."""
RUNS_REMEMBERED_MAX = 100


class Piece(msgspec.Struct, frozen=True):
    """The data of a `delta`: a piece of the reply that a run is writing."""

    run_id: UUID
    text: str


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something to be sent. Only what is recorded has a position."""

    event: str
    data: Any
    position: int | None = None


async def follow(
    doors: Doors, tenant: str, query: Query, after: int, conversation_id: UUID | None = None
) -> AsyncGenerator[Shown | None, None]:
    """The tenant's events that match, for ever, and of a conversation the pieces of its replies.

    None: there was nothing for a while; time to say that one is still here. What is recorded is read
    from the log; the live hub only says when.
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
                    yield Shown(event.type, event, event.position)
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
                        yield Shown("delta", Piece(item.run_id, item.text))
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
    """What a watcher of a conversation is shown."""
    return _of(conversation_id, *SHOWN)


async def must_exist(doors: Doors, tenant: str, conversation_id: UUID) -> None:
    """Raises `NotFound` if the tenant has no such conversation."""
    query = _of(conversation_id, ConversationStarted).scoped(tenant)
    if not await doors.log.read(query, limit=1):
        raise NotFound("There is no such conversation.")


def _of(conversation_id: UUID, *types: type[Any]) -> Query:
    return matching(f"conversation:{conversation_id}", types=tuple(one.stored_as for one in types))
