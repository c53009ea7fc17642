"""Running something beside a test, and waiting for what it brings about."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

POLL_SECONDS = 0.01
# What takes a moment may take this long on a machine that has much else to do.
WAIT_SECONDS_MAX = 120.0


@asynccontextmanager
async def running(*lives: Coroutine[Any, Any, None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run these until the block is left; an error of theirs is the test's."""
    tasks = [asyncio.create_task(life) for life in lives]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def patience(seconds: float = WAIT_SECONDS_MAX) -> asyncio.Timeout:
    """For what must happen, and happens soon unless something is wrong."""
    return asyncio.timeout(seconds)


async def eventually(condition: Callable[[], Any], seconds: float = WAIT_SECONDS_MAX) -> Any:
    """Wait until the condition holds, or what it returns to be awaited; returns that."""
    async with patience(seconds):
        while True:
            holds = condition()
            if inspect.isawaitable(holds):
                holds = await holds
            if holds:
                return holds
            await asyncio.sleep(POLL_SECONDS)


def soon(condition: Callable[[], Any]) -> Any:
    """`eventually`, for a test that has no event loop."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not (holds := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(POLL_SECONDS * 5)
    return holds
