"""The group-commit appender: one connection, one statement a group, as many requests in it as wait.

While Postgres works on a group, the next one gathers. There is no artificial delay: a lone caller
never waits for company.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

import asyncpg

from aigestion.eventstore.append_connection import AppendConnection, ConnectionLost
from aigestion.eventstore.append_group import AppendGroup, AppendRequest
from aigestion.eventstore.pool import Losses
from aigestion.eventstore.port import NewEvent
from aigestion.kernel.errors import AIGestionError, InvalidInput, Unavailable
from aigestion.kernel.query import AppendCondition

QUEUED_REQUESTS_MAX = 4_096
LANES = 2
"""While one group commits, the next is on its way to Postgres and waits there for its turn."""
GROUP_BEHIND_MIN = 8
"""Fewer requests than this are not sent after a group that is still under way."""
SENDS_PER_REQUEST_MAX = 3
"""A request whose connection dies this often may be what kills it."""
OUTAGE_PATIENCE_SECONDS = 3.0
"""How long callers wait for a database that has gone away; later ones are told at once."""
RECONNECT_PAUSE_MIN_SECONDS = 0.05
RECONNECT_PAUSE_MAX_SECONDS = 0.3
"""A server that starts again is there within a second; nobody shall wait as long again to find out."""
RETRY_AFTER_SECONDS = 1

_LOG = logging.getLogger(__name__)


class Appender:
    """Takes append requests from any number of tasks and commits them in groups, on a few lanes."""

    def __init__(
        self,
        url: str,
        on_append: Sequence[Callable[[int], None]] = (),
        losses: Losses | None = None,
    ) -> None:
        """`on_append` callbacks get the new head after each commit; they must not block."""
        losses = losses or Losses()
        self._lanes = [AppendConnection(url, losses) for _ in range(LANES)]
        self._on_append = on_append
        self._queue: deque[AppendRequest] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._in_flight = 0
        self._closing = False
        self._out = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connect and begin; raises what asyncpg raises."""
        for lane in self._lanes:
            await lane.open()
        self._tasks = [asyncio.create_task(self._run(lane), name="append") for lane in self._lanes]

    async def close(self) -> None:
        """Take nothing new, commit what waits, disconnect."""
        self._closing = True
        self._wake_lanes(LANES)
        await asyncio.gather(*self._tasks)
        for lane in self._lanes:
            await lane.close()

    async def append(
        self, events: Sequence[NewEvent], conditions: Sequence[AppendCondition] = ()
    ) -> int:
        """Wait for the request's turn; the position of its last event. Errors as the port says."""
        if self._closing or not self._tasks:
            raise _unavailable("The log is closed; nothing was recorded.")
        if self._out:
            raise _unavailable("The log's database does not answer; nothing was recorded.")
        if len(self._queue) >= QUEUED_REQUESTS_MAX:
            raise _unavailable("Too many appends are waiting already; nothing was recorded.")
        answer: asyncio.Future[int] = self._tasks[0].get_loop().create_future()
        self._queue.append(AppendRequest(events, conditions, answer))
        if self._worth_sending():
            self._wake_lanes(1)
        return await answer

    async def _run(self, lane: AppendConnection) -> None:
        while True:
            if self._worth_sending() and (group := self._next_group()):
                self._in_flight += len(group.requests)
                try:
                    await self._commit(lane, group)
                except Exception as error:  # a lane must not die, and no caller may hang
                    _LOG.exception("a group of appends failed unexpectedly")
                    group.fail(_unavailable(f"The log failed; the outcome is unknown: {error}"))
                finally:
                    self._in_flight -= len(group.requests)
            elif self._closing and not self._queue:
                self._wake_lanes(LANES)  # the others may be idle with no caller left to wake them
                return
            else:
                idle = asyncio.get_running_loop().create_future()
                self._idle.append(idle)
                await idle

    def _worth_sending(self) -> bool:
        """Behind a group that is under way goes one of at least its size: two even ones commit cheapest."""
        behind = self._in_flight and max(GROUP_BEHIND_MIN, self._in_flight)
        return len(self._queue) >= max(1, behind)

    def _wake_lanes(self, count: int) -> None:
        for idle in self._idle[-count:]:
            if not idle.done():
                idle.set_result(None)
        del self._idle[-count:]

    def _next_group(self) -> AppendGroup | None:
        """At most half of what is in play: the callers of one half are served while the other commits."""
        share = max(GROUP_BEHIND_MIN, (len(self._queue) + self._in_flight + 1) // 2)
        group = AppendGroup()
        while self._queue and len(group.requests) < share and group.has_room_for(self._queue[0]):
            request = self._queue.popleft()
            if not request.answer.done():  # else its caller has gone
                group.add(request)
        return group if group.requests else None

    async def _commit(self, lane: AppendConnection, group: AppendGroup) -> None:
        try:
            head_before, refused = await lane.send(group)
        except ConnectionLost:
            await self._recover(lane, group)
        except Exception as error:
            await self._sort_out(lane, group, error)
        else:
            head, undecided = group.answer(head_before, refused)
            self._queue.extendleft(reversed(undecided))
            if head > head_before:
                self._announce(head)

    async def _sort_out(self, lane: AppendConnection, group: AppendGroup, error: Exception) -> None:
        """Nothing of the group is recorded. If one request is to blame, the others must not pay."""
        if not _is_about_values(error):
            group.fail(_unavailable(f"{_trouble(error)}; nothing was recorded."))
        elif len(group.requests) == 1:
            group.fail(_reason(error))
        else:
            for request in group.requests:
                alone = AppendGroup()
                alone.add(request)
                await self._commit(lane, alone)

    async def _recover(self, lane: AppendConnection, group: AppendGroup) -> None:
        """The connection died over the group: reconnect, and tell its callers what became of it."""
        now = asyncio.get_running_loop().time
        deadline = now() + OUTAGE_PATIENCE_SECONDS
        pause = RECONNECT_PAUSE_MIN_SECONDS
        ids = [identity for request in group.requests for identity in request.ids]
        while True:
            try:
                recorded = await lane.settle(ids)
                break
            except ConnectionLost as error:
                if now() > deadline:
                    self._declare_outage(group, error)
                    if self._closing:
                        return
            await asyncio.sleep(pause)
            pause = min(pause * 2, RECONNECT_PAUSE_MAX_SECONDS)
        self._out = False
        again = []
        for request in group.requests:
            request.sent += 1
            if request.ids[-1] in recorded:
                request.succeed(recorded[request.ids[-1]])
            elif request.sent < SENDS_PER_REQUEST_MAX:
                again.append(request)
            else:
                request.fail(_unavailable("The database broke off; nothing was recorded."))
        self._queue.extendleft(reversed(again))
        if recorded:
            self._announce(max(recorded.values()))

    def _announce(self, head: int) -> None:
        for wake in self._on_append:
            try:
                wake(head)
            except Exception:  # a listener's fault is not the log's
                _LOG.exception("an on_append callback failed")

    def _declare_outage(self, group: AppendGroup, error: Exception) -> None:
        self._out = True
        group.fail(_unavailable(f"The database broke off; the outcome is unknown: {error}"))
        while self._queue:
            self._queue.popleft().fail(
                _unavailable("The log's database does not answer; nothing was recorded.")
            )


def _is_about_values(error: Exception) -> bool:
    """Whether the error blames what was sent (SQLSTATE 22 and 23, or asyncpg's own encoding)."""
    if isinstance(error, asyncpg.PostgresError):
        return isinstance(error, asyncpg.DataError | asyncpg.IntegrityConstraintViolationError)
    return True


def _trouble(error: Exception) -> str:
    if isinstance(error, asyncpg.DiskFullError):
        return "The log cannot take it now: its disk is full"
    return f"The log cannot take it now: {error}"


def _reason(error: Exception) -> AIGestionError:
    if isinstance(error, asyncpg.UniqueViolationError):
        return InvalidInput("The log already has an event with this id.")
    return InvalidInput(f"The log cannot hold this event: {error}")


def _unavailable(message: str) -> Unavailable:
    return Unavailable(message, engine="postgres", retry_after_seconds=RETRY_AFTER_SECONDS)
