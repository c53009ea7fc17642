"""Server-sent events: frames, and an answer that goes on until somebody leaves."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from litestar.types import Receive, Scope, Send

HEARTBEAT = b": still here\n\n"
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


def frame(event: str, data: Any, position: int | None = None) -> bytes:
    """One event. JSON has no line breaks, so `data` is one line. Without a position it has no id."""
    name = b"event: " + event.encode() + b"\n"
    content = b"data: " + msgspec.json.encode(data) + b"\n\n"
    return name + content if position is None else b"id: %d\n" % position + name + content


class EventStream:
    """An ASGI answer: sends frames as they come, until the client leaves or the server drains."""

    def __init__(self, frames: AsyncGenerator[bytes, None], draining: asyncio.Event) -> None:
        self._frames = frames
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS]})
        sending = asyncio.create_task(self._send(send))
        ends = (
            asyncio.create_task(_disconnected(receive)),
            asyncio.create_task(self._draining.wait()),
        )
        try:
            await asyncio.wait({sending, *ends}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, *ends):
                task.cancel()
            await asyncio.gather(sending, *ends, return_exceptions=True)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        if not sending.cancelled() and (error := sending.exception()) is not None:
            raise error

    async def _send(self, send: Send) -> None:
        try:
            async for one in self._frames:
                await send({"type": "http.response.body", "body": one, "more_body": True})
        finally:
            await self._frames.aclose()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
