"""Nobody waits without end: no caller for an answer to begin (503), and nobody for a caller's body (408)."""

import asyncio
from http import HTTPStatus
from math import inf
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from aigestion.api.errors import answer_by_status, answer_messages, engine_silent

ANSWER_SECONDS_MAX = 9.0
BODY_SECONDS_MAX = 30.0
"""How long a caller may take to send a body."""
LOOKS = 50
"""How often it is looked who is late, while an answer may take its time: so much later is told than due."""


def in_time(app: ASGIApp, seconds_max: float = ANSWER_SECONDS_MAX) -> ASGIApp:
    """The app, cut off where it has not begun to answer after so long; the time its caller takes is not counted.

    What is being done may still come to its end: its outcome is unknown, as after any broken connection.
    Sockets, and answers that have begun, last as long as they like.
    """
    watch = _Watch(seconds_max / LOOKS)

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        task = asyncio.current_task()
        assert task is not None
        exchange = _Exchange(task, scope["path"], receive, send, seconds_max)
        watch.begin(exchange)
        try:
            await app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            if exchange.told is None or task.uncancel():
                raise
        finally:
            watch.end(exchange)
            if exchange.told is not None:
                await exchange.told

    return call


class _Exchange:
    """A request and its answer: who of both has to do something, and until when."""

    __slots__ = ("_left", "_path", "_receive", "_send", "_task", "due", "loop", "told", "waits")

    def __init__(
        self,
        task: "asyncio.Task[Any]",
        path: str,
        receive: Receive,
        send: Send,
        seconds_max: float,
    ) -> None:
        self._task = task
        self._path = path
        self._receive = receive
        self._send = send
        self.loop = task.get_loop()  # to ask which one runs is a system call
        self.due = self.loop.time() + seconds_max
        """Infinite once the answer has begun."""
        self._left = BODY_SECONDS_MAX
        """What the other side has left."""
        self.waits = False
        """For the caller."""
        self.told: asyncio.Future[None] | None = None

    async def receive(self) -> Any:
        """Who waits for the caller is not late."""
        if self.due == inf:
            return await self._receive()
        self._change_sides()
        try:
            return await self._receive()
        finally:
            self._change_sides()

    async def send(self, message: Message) -> None:
        self.due = inf
        if self.told is None:
            await self._send(message)

    def give_up(self) -> None:
        # Said at once: to stop what is being done may take its time, too.
        self.due = inf
        self.told = asyncio.ensure_future(self._tell())
        self._task.cancel()

    def _change_sides(self) -> None:
        if self.due != inf:
            now = self.loop.time()
            self.due, self._left = now + self._left, self.due - now
            self.waits = not self.waits

    async def _tell(self) -> None:
        slow = HTTPStatus.REQUEST_TIMEOUT
        path = self._path
        answer = answer_by_status(path, slow) if self.waits else engine_silent(path)
        for message in answer_messages(answer):
            await self._send(message)


class _Watch:
    """Looks at all exchanges now and then: timers that are always lifted before they are due cost more."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: set[_Exchange] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        """Where it looks; nowhere while there is nothing to look at."""

    def begin(self, exchange: _Exchange) -> None:
        self._open.add(exchange)
        if self._loop is not exchange.loop:
            self._loop = exchange.loop
            self._loop.call_later(self._seconds, self._look, self._loop)

    def end(self, exchange: _Exchange) -> None:
        self._open.discard(exchange)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for late in [one for one in self._open if one.due <= now]:
            late.give_up()
        if self._open:
            loop.call_later(self._seconds, self._look, loop)
        else:
            self._loop = None
