"""Our log as a `DCBRecorder` of the `eventsourcing` library: synchronous outside, our async store inside.

Needs the extra `eventsourcing`. The store must live on the given event loop, in a thread of its own;
`looping_thread` starts one.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from eventsourcing.dcb.api import (
    DCBAppendCondition,
    DCBEvent,
    DCBQuery,
    DCBReadResponse,
    DCBRecorder,
    DCBSequencedEvent,
)
from eventsourcing.dcb.persistence import DCBListenNotifySubscription
from eventsourcing.persistence import IntegrityError, OperationalError, ProgrammingError

from aigestion.eventstore.port import EventStore, NewEvent, SequencedEvent
from aigestion.kernel.clock import Clock, utc_now
from aigestion.kernel.errors import AIGestionError, AppendConditionFailed, Unavailable
from aigestion.kernel.ids import new_id
from aigestion.kernel.query import (
    AppendCondition,
    Query,
    QueryItem,
    scoped_tag,
    unscoped_tag,
)

POLL_SECONDS = 0.02
"""How often a subscription looks for events that another process appended."""

T = TypeVar("T")


class WakingEventStore(EventStore, Protocol):
    """An event store that calls back after each append of this process."""

    on_append: list[Callable[[int], None]]


class AIGestionDCBRecorder(DCBRecorder):
    """Records the library's events for one tenant; sees only that tenant's events, at the log's positions."""

    def __init__(
        self,
        store: WakingEventStore,
        loop: asyncio.AbstractEventLoop,
        *,
        tenant: str,
        actor: str = "system",
        clock: Clock = utc_now,
        fresh_id: Callable[[], UUID] = new_id,
    ) -> None:
        self._store = store
        self._loop = loop
        self._tenant = tenant
        self._actor = actor
        self._clock = clock
        self._fresh_id = fresh_id

    def read(
        self, query: DCBQuery | None = None, *, after: int | None = None, limit: int | None = None
    ) -> DCBReadResponse:
        """As the library says; without a limit, `head` is the log's own, read before the events."""
        head, found = self._wait(self._read(self._query(query), after or 0, limit))
        return _Response(head, [_dcb_event(one) for one in found])

    def append(
        self, events: Sequence[DCBEvent], condition: DCBAppendCondition | None = None
    ) -> int:
        """As the library says: `IntegrityError` if the condition fails."""
        now, cause = self._clock(), self._fresh_id()
        offered = [self._new_event(event, now, cause) for event in events]
        conditions = []
        if condition is not None:
            boundary = self._query(condition.fail_if_events_match)
            conditions.append(AppendCondition(boundary, condition.after or 0))
        return self._wait(self._store.append(offered, *conditions))

    def subscribe(
        self, query: DCBQuery | None = None, *, after: int | None = None
    ) -> "AIGestionDCBSubscription":
        """As the library says."""
        return AIGestionDCBSubscription(self, query, after)

    def listen(self, wake: Callable[[int], None]) -> None:
        """Have `wake` called on the loop's thread after each append of this process."""
        self._store.on_append.append(wake)

    def unlisten(self, wake: Callable[[int], None]) -> None:
        """The opposite of `listen`."""
        if wake in self._store.on_append:
            self._store.on_append.remove(wake)

    async def _read(
        self, query: Query, after: int, limit: int | None
    ) -> tuple[int | None, list[SequencedEvent]]:
        head = await self._store.head() if limit is None else None
        found = await self._store.read(query, after=after, limit=limit)
        if found:
            head = max(head or 0, found[-1].position)
        return head or None, found

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except AppendConditionFailed as error:
            raise IntegrityError(error.message) from error
        except Unavailable as error:
            raise OperationalError(error.message) from error
        except AIGestionError as error:
            raise ProgrammingError(error.message) from error

    def _query(self, query: DCBQuery | None) -> Query:
        items = (query or DCBQuery()).items
        return Query(
            tuple(QueryItem(tuple(item.types), tuple(item.tags)) for item in items)
        ).scoped(self._tenant)

    def _new_event(self, event: DCBEvent, occurred_at: datetime, correlation_id: UUID) -> NewEvent:
        return NewEvent(
            id=self._fresh_id(),
            type=event.type,
            schema_version=1,
            tags=tuple(scoped_tag(self._tenant, tag) for tag in event.tags),
            tenant=self._tenant,
            actor=self._actor,
            correlation_id=correlation_id,
            causation_id=None,
            occurred_at=occurred_at,
            data=event.data,
        )


class AIGestionDCBSubscription(DCBListenNotifySubscription[AIGestionDCBRecorder]):
    """The library's pulling subscription, woken by appends of this process and by a clock for the others."""

    def __init__(
        self, recorder: AIGestionDCBRecorder, query: DCBQuery | None, after: int | None
    ) -> None:
        super().__init__(recorder=recorder, query=query, after=after)
        recorder.listen(self._wake)
        self._clock_thread = threading.Thread(target=self._tick, daemon=True)
        self._clock_thread.start()

    def stop(self) -> None:
        """As the library says."""
        super().stop()
        self._recorder.unlisten(self._wake)

    def _wake(self, _head: int) -> None:
        self._has_been_notified.set()

    def _tick(self) -> None:
        pause = threading.Event()
        while not self._has_been_stopped:
            pause.wait(POLL_SECONDS)
            self._has_been_notified.set()


class _Response(DCBReadResponse):
    def __init__(self, head: int | None, events: list[DCBSequencedEvent]) -> None:
        self._head = head
        self._events = iter(events)

    @property
    def head(self) -> int | None:
        return self._head

    def __next__(self) -> DCBSequencedEvent:
        return next(self._events)


@contextmanager
def looping_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread of its own inside the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="event loop", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _dcb_event(stored: SequencedEvent) -> DCBSequencedEvent:
    event = stored.event
    tags = [unscoped_tag(tag) for tag in event.tags]
    return DCBSequencedEvent(
        event=DCBEvent(type=event.type, data=event.data, tags=tags), position=stored.position
    )
