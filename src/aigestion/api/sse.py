"""Server-sent events: frames, and an answer that goes on until somebody leaves."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import msgspec
from litestar.types import Receive, Scope, Send

from aigestion.api.delivery import (
    DRAINING,
    TOO_SLOW,
    Ending,
    OpenStreams,
    Outlet,
    deliver,
    drained,
    ended,
)
from aigestion.api.following import Shown
from aigestion.kernel.errors import AIGestionError

HEARTBEAT = b": still here\n\n"
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


def frame(shown: Shown | None) -> bytes:
    """One event, or a comment. JSON has no line breaks, so `data` is one line. Without a position it has no id."""
    if shown is None:
        return HEARTBEAT
    name = b"event: " + shown.event.encode() + b"\n"
    content = b"data: " + msgspec.json.encode(shown.data) + b"\n\n"
    if shown.position is None:
        return name + content
    return b"id: %d\n" % shown.position + name + content


def last_frame(ending: Ending) -> bytes:
    """The last frame. One that ends because the server stops is simply taken up again by its reader."""
    if ending.code == DRAINING:
        return b""
    return frame(Shown("dropped" if ending.code == TOO_SLOW else "end", ending))


class EventStream:
    """An ASGI answer: sends frames as they come, until the client leaves or the server drains.

    It also ends, and says why, once `closed` returns the reason, or if its reader is too slow.
    """

    def __init__(
        self,
        items: AsyncGenerator[Shown | None, None],
        after: int,
        draining: asyncio.Event,
        streams: OpenStreams,
        closed: Callable[[], Coroutine[Any, Any, AIGestionError]],
        *,
        write: Callable[[Shown | None], bytes] = frame,
        last: Callable[[Ending], bytes] = last_frame,
    ) -> None:
        """`write` and `last` make frames of what is shown, and of why no more will be."""
        self._items = items
        self._after = after
        self._draining = draining
        self._streams = streams
        self._closed = closed
        self._write = write
        self._last = last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `Overloaded`, before anything is sent, if there is no room for another stream."""

        async def send_body(body: bytes) -> None:
            await send({"type": "http.response.body", "body": body, "more_body": True})

        async def conclude(ending: Ending) -> None:
            await send(
                {"type": "http.response.body", "body": self._last(ending), "more_body": False}
            )

        with self._streams.opened():
            await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS]})
            outlet = Outlet(send_body, self._after, self._streams.send_seconds_max)
            how = await deliver(
                self._items,
                outlet,
                self._write,
                conclude,
                _disconnected(receive),
                drained(self._draining),
                ended(self._closed()),
            )
            if how is not None and how.ending.code == TOO_SLOW:
                self._streams.dropped.inc()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
