"""The group-commit appender: one connection, one statement a group, as many requests in it as wait.

While Postgres works on a group, the next one gathers. There is no artificial delay: a lone caller
never waits for company.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

import asyncpg

from aigestion.eventstore.append_connection import AppendConnection, ConnectionLost
from aigestion.eventstore.append_group import AppendGroup, AppendRequest
from aigestion.eventstore.port import NewEvent
from aigestion.kernel.errors import AIGestionError, InvalidInput, Unavailable
from aigestion.kernel.query import AppendCondition

QUEUED_REQUESTS_MAX = 4_096
SENDS_PER_REQUEST_MAX = 3
"""A request whose connection dies this often may be what kills it."""
OUTAGE_PATIENCE_SECONDS = 3.0
"""How long callers wait for a database that has gone away; later ones are told at once."""
RECONNECT_PAUSE_MIN_SECONDS = 0.05
RECONNECT_PAUSE_MAX_SECONDS = 1.0
RETRY_AFTER_SECONDS = 1

_LOG = logging.getLogger(__name__)


class Appender:
    """Takes append requests from any number of tasks and commits them in groups."""

    def __init__(self, url: str, on_append: Sequence[Callable[[int], None]] = ()) -> None:
        """`on_append` callbacks get the new head after each commit; they must not block or raise."""
        self._connection = AppendConnection(url)
        self._on_append = on_append
        self._queue: deque[AppendRequest] = deque()
        self._work = asyncio.Event()
        self._closing = False
        self._out = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect and begin; raises what asyncpg raises."""
        await self._connection.open()
        self._task = asyncio.create_task(self._run(), name="appender")

    async def close(self) -> None:
        """Take nothing new, commit what waits, disconnect."""
        self._closing = True
        self._work.set()
        if self._task is not None:
            await self._task
        await self._connection.close()

    async def append(
        self, events: Sequence[NewEvent], conditions: Sequence[AppendCondition] = ()
    ) -> int:
        """Wait for the request's turn; the position of its last event. Errors as the port says."""
        if self._closing or self._task is None:
            raise _unavailable("The log is closed; nothing was recorded.")
        if self._out:
            raise _unavailable("The log's database does not answer; nothing was recorded.")
        if len(self._queue) >= QUEUED_REQUESTS_MAX:
            raise _unavailable("Too many appends are waiting already; nothing was recorded.")
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.append(AppendRequest(events, conditions, answer))
        self._work.set()
        return await answer

    async def _run(self) -> None:
        while True:
            if not self._queue:
                if self._closing:
                    return
                self._work.clear()
                await self._work.wait()
            if group := self._next_group():
                await self._commit(group)

    def _next_group(self) -> AppendGroup | None:
        group = AppendGroup()
        while self._queue and group.has_room_for(self._queue[0]):
            request = self._queue.popleft()
            if not request.answer.done():  # else its caller has gone
                group.add(request)
        return group if group.requests else None

    async def _commit(self, group: AppendGroup) -> None:
        try:
            head_before, refused = await self._connection.send(group)
        except ConnectionLost:
            await self._recover(group)
        except Exception as error:
            await self._sort_out(group, error)
        else:
            head, undecided = group.answer(head_before, refused)
            self._queue.extendleft(reversed(undecided))
            if head > head_before:
                self._wake(head)

    async def _sort_out(self, group: AppendGroup, error: Exception) -> None:
        """Nothing of the group is recorded. If one request is to blame, the others must not pay."""
        if not _is_about_values(error):
            group.fail(_unavailable(f"The log cannot take it now; nothing was recorded: {error}"))
        elif len(group.requests) == 1:
            group.fail(_reason(error))
        else:
            for request in group.requests:
                alone = AppendGroup()
                alone.add(request)
                await self._commit(alone)

    async def _recover(self, group: AppendGroup) -> None:
        """The connection died over the group: reconnect, and tell its callers what became of it."""
        deadline = time.monotonic() + OUTAGE_PATIENCE_SECONDS
        pause = RECONNECT_PAUSE_MIN_SECONDS
        ids = [identity for request in group.requests for identity in request.ids]
        while True:
            try:
                recorded = await self._connection.settle(ids)
                break
            except ConnectionLost as error:
                if time.monotonic() > deadline:
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
            self._wake(max(recorded.values()))

    def _wake(self, head: int) -> None:
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


def _reason(error: Exception) -> AIGestionError:
    if isinstance(error, asyncpg.UniqueViolationError):
        return InvalidInput("The log already has an event with this id.")
    return InvalidInput(f"The log cannot hold this event: {error}")


def _unavailable(message: str) -> Unavailable:
    return Unavailable(message, engine="postgres", retry_after_seconds=RETRY_AFTER_SECONDS)
