"""An answer that does not begin in time is a 503; one that has begun, or waits for its caller, is left alone."""

import asyncio
import json
from typing import Any, cast

from litestar.types import ASGIApp, Receive, Scope, Send

from aigestion.api.in_time import in_time

SECONDS = 0.05
SCOPE = cast(Scope, {"type": "http", "path": "/v1/conversations"})


async def test_what_takes_too_long_is_answered_with_503_and_stopped() -> None:
    stopped = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    start, body = await _asked(app)

    assert start["status"] == 503
    assert (b"retry-after", b"1") in start["headers"]
    assert json.loads(body["body"])["code"] == "engine-unavailable"
    assert stopped.is_set()


async def test_the_answer_does_not_wait_for_the_work_to_stop() -> None:
    answered: list[float] = []
    loop = asyncio.get_running_loop()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(10 * SECONDS)

    async def send(message: Any) -> None:
        answered.append(loop.time())

    began = loop.time()
    await in_time(app, SECONDS)(SCOPE, _nothing, cast(Send, send))

    assert answered[0] - began < 5 * SECONDS <= loop.time() - began


async def test_an_answer_that_has_begun_may_last() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(3 * SECONDS)
        await send({"type": "http.response.body", "body": b"late", "more_body": False})

    start, body = await _asked(app)

    assert (start["status"], body["body"]) == (200, b"late")


async def test_a_caller_may_take_its_time_with_the_body() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 202, "headers": []})

    async def slowly() -> Any:
        await asyncio.sleep(3 * SECONDS)
        return {"type": "http.request", "body": b"", "more_body": False}

    [start] = await _asked(app, slowly)

    assert start["status"] == 202


async def test_what_was_done_before_the_body_was_asked_for_counts() -> None:
    """A body that is there gives nobody more time."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(10):
            await asyncio.sleep(SECONDS / 2)
            await receive()
        await send({"type": "http.response.start", "status": 202, "headers": []})

    async def at_once() -> Any:
        return {"type": "http.request", "body": b"", "more_body": True}

    start, _ = await _asked(app, at_once)

    assert start["status"] == 503


async def _nothing() -> Any:
    await asyncio.sleep(60)


async def _asked(app: ASGIApp, receive: Any = _nothing) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await in_time(app, SECONDS)(SCOPE, receive, cast(Send, send))
    return sent
