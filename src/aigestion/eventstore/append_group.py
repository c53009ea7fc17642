"""One group of append requests: who is in it, what is sent for it, and what the answer means for each."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aigestion.eventstore.port import NewEvent
from aigestion.kernel.errors import AppendConditionFailed
from aigestion.kernel.query import AppendCondition, Query, QueryItem

REQUESTS_PER_GROUP_MAX = 256
EVENTS_PER_GROUP_MAX = 1_000
BYTES_PER_GROUP_MAX = 4 * 1024 * 1024

_ANY = (QueryItem(),)


class AppendRequest:
    """One caller's events and conditions, serialised as far as it can be, and the answer it waits for."""

    __slots__ = ("answer", "bytes", "event_rows", "guard_rows", "ids", "sent", "tags", "types")

    def __init__(
        self,
        events: Sequence[NewEvent],
        conditions: Sequence[AppendCondition],
        answer: "asyncio.Future[int]",
    ) -> None:
        self.answer = answer
        self.event_rows = [_event_row(event) for event in events]
        self.guard_rows = [
            row for c in conditions for row in query_rows(c.fail_if_events_match, c.after)
        ]
        self.ids = [event.id for event in events]
        self.types = {event.type for event in events}
        self.tags = {tag for event in events for tag in event.tags}
        self.bytes = sum(len(event.data) for event in events)
        self.sent = 0
        """How often it was sent; more than once only after a connection died over it."""

    def succeed(self, position: int) -> None:
        """Answer the caller, if it still waits."""
        if not self.answer.done():
            self.answer.set_result(position)

    def fail(self, error: Exception) -> None:
        """Answer the caller, if it still waits."""
        if not self.answer.done():
            self.answer.set_exception(error)


class AppendGroup:
    """Requests that one call of the append function judges, all on the log as it is before the group.

    A request whose conditions could be met by events of an earlier member is `held`: it is judged,
    not inserted. If refused, it is refused for good (the log only grows); if not, it goes into the next group.
    """

    def __init__(self) -> None:
        self.requests: list[AppendRequest] = []
        self.held: set[int] = set()
        self.event_rows: list[Any] = []
        self.event_requests: list[int] = []
        self.guard_rows: list[Any] = []
        self.guard_requests: list[int] = []
        self._tags: set[str] = set()
        self._types: set[str] = set()
        self._bytes = 0

    def has_room_for(self, request: AppendRequest) -> bool:
        """The first request always fits."""
        return not self.requests or (
            len(self.requests) < REQUESTS_PER_GROUP_MAX
            and len(self.event_rows) + len(request.event_rows) <= EVENTS_PER_GROUP_MAX
            and self._bytes + request.bytes <= BYTES_PER_GROUP_MAX
        )

    def add(self, request: AppendRequest) -> None:
        """Put the request into the group, held or not."""
        index = len(self.requests)
        self.requests.append(request)
        if request.guard_rows:
            self.guard_rows += request.guard_rows
            self.guard_requests += [index] * len(request.guard_rows)
            if self.event_rows and any(map(self._could_meet, request.guard_rows)):
                self.held.add(index)
                return
        self.event_rows += request.event_rows
        self.event_requests += [index] * len(request.event_rows)
        self._tags |= request.tags
        self._types |= request.types
        self._bytes += request.bytes

    def _could_meet(self, guard: tuple[int, list[str], list[str], str | None]) -> bool:
        """Too often true at worst: the next group costs a round trip, a missed one the boundary."""
        _, types, tags, _ = guard
        return self._tags.issuperset(tags) and (not types or not self._types.isdisjoint(types))

    def answer(self, head_before: int, refused: Sequence[int]) -> tuple[int, list[AppendRequest]]:
        """Tell everybody what became of their request; returns the head, and who needs another group."""
        position = head_before
        undecided = []
        turned_away = set(refused)
        for index, request in enumerate(self.requests):
            if index in turned_away:
                request.fail(_condition_failed())
            elif index in self.held:
                undecided.append(request)
            else:
                position += len(request.event_rows)
                request.succeed(position)
        return position, undecided

    def fail(self, error: Exception) -> None:
        """The same error for everybody."""
        for request in self.requests:
            request.fail(error)


def query_rows(query: Query, after: int = 0) -> list[tuple[int, list[str], list[str], str | None]]:
    """The items of a query as rows of `log.guard`."""
    return [(after, list(item.types), list(item.tags), item.tenant) for item in query.items or _ANY]


def _event_row(event: NewEvent) -> tuple[Any, ...]:
    return (
        event.occurred_at,
        event.id,
        event.correlation_id,
        event.causation_id,
        event.schema_version,
        event.type,
        event.tenant,
        event.actor,
        list(dict.fromkeys(event.tags)),
        event.data,
    )


def _condition_failed() -> AppendConditionFailed:
    return AppendConditionFailed("An event that the append condition forbids is in the log.")
