"""Sending to one watcher: how long it may take, why it ends, and from where to go on then."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from aigestion.api.following import Shown
from aigestion.kernel.errors import AIGestionError, Category, Overloaded

STREAMS_MAX = 1_200
"""Streams and sockets of a process. Fewer than the server's connections, so that requests still get through."""
SEND_SECONDS_MAX = 30.0
"""How long a watcher may take nothing."""
LAST_SEND_SECONDS_MAX = 1.0
"""How long it then, or at any other end, has for a last word."""

DRAINING = "draining"
TOO_SLOW = "reader-too-slow"
FAULT = "internal-error"

_log = logging.getLogger(__name__)


class Ending(msgspec.Struct, frozen=True):
    """Why something that was to go on for ever ends. The data of `end` and `dropped`."""

    code: str
    detail: str
    after: int = 0
    """The position of the last event that was sent: the `after` to go on with."""


_STOPPING = Ending(DRAINING, "The server stops; connect again.")


class Ended(NamedTuple):
    """How a delivery ended that its watcher has not left."""

    ending: Ending
    said: bool
    """Whether the last word was taken; if not, the message before it may be lost as well."""


class Gone(Exception):
    """Whoever watched has left."""


class OpenStreams:
    """How many streams and sockets this process serves; a connection each, of which there are not endlessly many."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        streams_max: int = STREAMS_MAX,
        send_seconds_max: float = SEND_SECONDS_MAX,
    ) -> None:
        self.send_seconds_max = send_seconds_max
        self._streams_max = streams_max
        self._count = 0
        gauge = Gauge("aigestion_http_streams", "Streams being served.", registry=registry)
        gauge.set_function(lambda: self._count)
        self.dropped = Counter(
            "aigestion_http_streams_dropped",
            "Streams ended because their reader took nothing for too long.",
            registry=registry,
        )

    def check(self) -> None:
        """Raises `Overloaded` if there is no room for another one."""
        if self._count >= self._streams_max:
            raise Overloaded("Too many streams are open here.", streams_max=self._streams_max)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Takes a place; raises `Overloaded` if there is none."""
        self.check()
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1


class Outlet:
    """Where messages to one watcher leave, one at a time. Nothing is queued here: who sends waits."""

    def __init__(
        self, send: Callable[[bytes], Awaitable[None]], after: int, send_seconds_max: float
    ) -> None:
        self.after = after
        """The position of the last event that was sent."""
        self.overdue = asyncio.Event()
        """Set once a message was not taken in time."""
        self._send = send
        self._send_seconds_max = send_seconds_max
        self._one_at_a_time = asyncio.Lock()
        self._shut = False

    async def put(self, message: bytes, position: int | None = None) -> None:
        """Send it; raises `Gone`. Once the last word is to be said, nothing else is."""
        async with self._one_at_a_time:
            if self._shut:
                return
            loop = asyncio.get_running_loop()
            late = loop.call_later(self._send_seconds_max, self.overdue.set)
            try:
                await self._send(message)
            except Exception as error:  # servers differ in what they raise
                raise Gone from error
            finally:
                late.cancel()
            if position is not None:
                self.after = position

    async def last(self, send: Callable[[], Awaitable[None]]) -> bool:
        """Say the last word, behind the message that is on its way; False if there was no more time."""
        self._shut = True
        try:
            async with asyncio.timeout(LAST_SEND_SECONDS_MAX), self._one_at_a_time:
                await send()
        except TimeoutError:
            return False
        return True


async def deliver(
    items: AsyncGenerator[Shown | None, None],
    outlet: Outlet,
    write: Callable[[Shown | None], bytes],
    conclude: Callable[[Ending], Awaitable[None]],
    *ends: Coroutine[Any, Any, Ending | None],
) -> Ended | None:
    """Send what there is until one of `ends` returns why not to, or None if the watcher has left.

    `conclude` says the last word. Then everything that was begun here has ended.
    """
    pumping = asyncio.create_task(_pump(items, outlet, write))
    tasks = (pumping, *map(asyncio.create_task, (_too_slow(outlet), *ends)))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ending = _ending(next(one for one in tasks if one in done))
        if ending is None:
            return None
        said = await outlet.last(lambda: conclude(_behind(ending, outlet)))
        return Ended(_behind(ending, outlet), said)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def drained(draining: asyncio.Event) -> Ending:
    """Returns once the server is about to stop."""
    await draining.wait()
    return _STOPPING


async def ended(closed: Coroutine[Any, Any, AIGestionError]) -> Ending:
    """Returns once the key opens nothing any more."""
    reason = await closed
    return Ending(reason.code, reason.message)


def _behind(ending: Ending, outlet: Outlet) -> Ending:
    return msgspec.structs.replace(ending, after=outlet.after)


async def _pump(
    items: AsyncGenerator[Shown | None, None],
    outlet: Outlet,
    write: Callable[[Shown | None], bytes],
) -> Ending:
    try:
        async for item in items:
            await outlet.put(write(item), None if item is None else item.position)
    finally:
        await items.aclose()
    return _STOPPING  # the hub has stopped


async def _too_slow(outlet: Outlet) -> Ending:
    await outlet.overdue.wait()
    return Ending(TOO_SLOW, "Nothing was taken for too long; connect again behind `after`.")


def _ending(first: "asyncio.Task[Ending | None]") -> Ending | None:
    """What the task that ended first says; its fault, if it has one, is told to the log."""
    error = first.exception()
    match error:
        case None:
            return first.result()
        case Gone():
            return None
        case AIGestionError() if error.category is Category.UNAVAILABLE:
            return Ending(error.code, error.message)
        case OSError():
            _log.warning("a stream ends: %r", error)
            return Ending("engine-unavailable", "An engine does not answer; try again.")
        case _:
            _log.error("a stream failed", exc_info=error)
            return Ending(FAULT, "Something went wrong on our side.")
