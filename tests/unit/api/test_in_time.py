"""An answer that does not begin in time is a 503, a body that does not come a 408; all else is left alone."""

import asyncio
import json
from typing import Any, cast

import pytest
from litestar.types import ASGIApp, Receive, Scope, Send

from aigestion.api import in_time as module
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


async def test_a_body_that_does_not_come_in_time_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little of it comes at a time: what counts is how long all of it takes."""
    monkeypatch.setattr(module, "BODY_SECONDS_MAX", 2 * SECONDS)
    asked = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal asked
        while True:
            await receive()
            asked += 1

    async def in_drops() -> Any:
        await asyncio.sleep(SECONDS / 2)
        return {"type": "http.request", "body": b"x", "more_body": True}

    start, body = await _asked(app, in_drops)

    assert start["status"] == 408
    assert json.loads(body["body"])["code"] == "too-slow"
    assert 1 <= asked < 8


async def test_who_is_late_in_one_loop_is_told_in_the_next_one() -> None:
    """An application outlives a loop that ended in the middle of a request, as in tests."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(60)

    guarded = in_time(app, SECONDS)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def once(seconds: float) -> None:
        task = asyncio.create_task(guarded(SCOPE, _nothing, cast(Send, send)))
        await asyncio.sleep(seconds)
        task.cancel()

    await asyncio.to_thread(asyncio.run, once(0))
    await asyncio.to_thread(asyncio.run, once(5 * SECONDS))

    assert [one.get("status") for one in sent] == [503, None]


async def _nothing() -> Any:
    await asyncio.sleep(60)


async def _asked(app: ASGIApp, receive: Any = _nothing) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await in_time(app, SECONDS)(SCOPE, receive, cast(Send, send))
    return sent
