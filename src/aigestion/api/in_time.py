"""Nobody waits without end: a request whose answer does not begin in time is answered with 503."""

import asyncio
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from aigestion.api.errors import PROBLEM_JSON, engine_silent

ANSWER_SECONDS_MAX = 9.0


def in_time(app: ASGIApp, seconds_max: float = ANSWER_SECONDS_MAX) -> ASGIApp:
    """The app, cut off where it has not begun to answer after so long; the time its caller takes is not counted.

    What is being done may still come to its end: its outcome is unknown, as after any broken connection.
    Sockets, and answers that have begun, last as long as they like.
    """

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()  # to ask which one runs is a system call
        begun = False
        given_up: asyncio.Future[None] | None = None

        def give_up() -> None:
            # Said at once: to stop what is being done may take its time, too.
            nonlocal begun, given_up
            begun = True
            given_up = asyncio.ensure_future(_say_so(scope["path"], send))
            task.cancel()

        due = loop.time() + seconds_max
        late = loop.call_at(due, give_up)  # `timeout()` costs five times this

        async def patiently() -> Any:
            """Who waits for the caller is not late."""
            nonlocal due, late
            late.cancel()
            asked = loop.time()
            try:
                return await receive()
            finally:
                if not begun:
                    due += loop.time() - asked
                    late = loop.call_at(due, give_up)

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            late.cancel()
            if given_up is None:
                await send(message)

        try:
            await app(scope, patiently, sending)
        except asyncio.CancelledError:
            if given_up is None or task.uncancel():
                raise
        finally:
            late.cancel()
            if given_up is not None:
                await given_up

    return call


async def _say_so(path: str, send: Send) -> None:
    told = engine_silent(path)
    headers = {"content-type": PROBLEM_JSON, "content-length": str(len(told.body)), **told.headers}
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    start = {"type": "http.response.start", "status": int(told.status), "headers": encoded}
    await send(cast(Message, start))
    await send(cast(Message, {"type": "http.response.body", "body": told.body, "more_body": False}))
