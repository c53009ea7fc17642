"""Server-sent events: frames, and an answer that goes on until somebody leaves."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
from litestar.types import Receive, Scope, Send
from prometheus_client import CollectorRegistry, Gauge

from aigestion.kernel.errors import AIGestionError, Overloaded

STREAMS_MAX = 800
"""Fewer than the server's connections, so that requests still get through."""
SEND_SECONDS_MAX = 30.0
LAST_SEND_SECONDS_MAX = 1.0
HEARTBEAT = b": still here\n\n"
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)

_log = logging.getLogger(__name__)


def frame(event: str, data: Any, position: int | None = None) -> bytes:
    """One event. JSON has no line breaks, so `data` is one line. Without a position it has no id."""
    name = b"event: " + event.encode() + b"\n"
    content = b"data: " + msgspec.json.encode(data) + b"\n\n"
    return name + content if position is None else b"id: %d\n" % position + name + content


class End(msgspec.Struct, frozen=True):
    """The data of `end`: why a stream does not go on."""

    code: str
    detail: str


def end_frame(reason: AIGestionError) -> bytes:
    """The last frame of a stream whose reader may not go on."""
    return frame("end", End(reason.code, reason.message))


class OpenStreams:
    """How many streams this process serves; a connection each, of which there are not endlessly many."""

    def __init__(self, registry: CollectorRegistry, streams_max: int = STREAMS_MAX) -> None:
        self._streams_max = streams_max
        self._count = 0
        gauge = Gauge("aigestion_http_streams", "Streams being served.", registry=registry)
        gauge.set_function(lambda: self._count)

    def check(self) -> None:
        """Raises `Overloaded` if there is no room for another one."""
        if self._count >= self._streams_max:
            raise Overloaded("Too many streams are open here.", streams_max=self._streams_max)

    @contextmanager
    def opened(self) -> Iterator[None]:
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1


class EventStream:
    """An ASGI answer: sends frames as they come, until the client leaves or the server drains.

    It also ends once `revoked` returns the reason, which `last` says.
    A client that takes nothing for `SEND_SECONDS_MAX` is taken for gone.
    """

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        draining: asyncio.Event,
        streams: OpenStreams,
        revoked: Callable[[], Coroutine[Any, Any, AIGestionError]],
        last: Callable[[AIGestionError], bytes] = end_frame,
    ) -> None:
        self._frames = frames
        self._draining = draining
        self._streams = streams
        self._revoked = revoked
        self._last = last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.opened():
            await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS]})
            sending = asyncio.create_task(self._send(send))
            revoked = asyncio.create_task(self._revoked())
            ends = (
                asyncio.create_task(_disconnected(receive)),
                asyncio.create_task(self._draining.wait()),
                revoked,
            )
            try:
                await asyncio.wait({sending, *ends}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, *ends):
                    task.cancel()
                await asyncio.gather(sending, *ends, return_exceptions=True)
            last = b"" if revoked.cancelled() else self._last(revoked.result())
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SEND_SECONDS_MAX):
                    await send({"type": "http.response.body", "body": last, "more_body": False})
            if not sending.cancelled() and (error := sending.exception()) is not None:
                raise error

    async def _send(self, send: Send) -> None:
        try:
            async for one in self._frames:
                async with asyncio.timeout(SEND_SECONDS_MAX):
                    await send({"type": "http.response.body", "body": one, "more_body": True})
        except TimeoutError:
            _log.info("A watcher took nothing for %g s; its stream ends.", SEND_SECONDS_MAX)
        finally:
            await self._frames.aclose()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
