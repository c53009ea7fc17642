"""Running something beside a test, and waiting for what it brings about."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

POLL_SECONDS = 0.01


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


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]], timeout_seconds: float = 60
) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(timeout_seconds):
        while True:
            holds = condition()
            if await holds if inspect.isawaitable(holds) else holds:
                return
            await asyncio.sleep(POLL_SECONDS)
