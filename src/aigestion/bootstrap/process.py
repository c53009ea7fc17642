"""What every role has: background tasks, an end on a signal, and a way to drain."""

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from aigestion.bootstrap.garbage import collect_garbage
from aigestion.bootstrap.tasks import Background
from aigestion.kernel.errors import Unavailable


class Process:
    """Runs until it is told to stop, or one of its parts fails for good."""

    def __init__(self, stack: AsyncExitStack, stop: asyncio.Event) -> None:
        self._stack = stack
        self._stop = stop
        self._background = Background()

    async def runs(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run this from now on; it is cancelled in the end, before what was opened earlier closes."""
        await self._stack.enter_async_context(self._background.running(name, work))

    async def until_stopped(self) -> None:
        """Wait for SIGINT or SIGTERM; `Unavailable` if a part failed for good."""
        failed = self._background.failed
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._stop, failed)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
        if failed.is_set():
            raise Unavailable(
                "A part of the system has failed for good; the lines above say which."
            )


@asynccontextmanager
async def process() -> AsyncIterator[tuple[Process, AsyncExitStack]]:
    """A process, and the stack of all it opens."""
    with _signals() as stop:
        async with AsyncExitStack() as stack:
            this = Process(stack, stop)
            await this.runs("garbage", collect_garbage())
            yield this, stack


@contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    both = (signal.SIGINT, signal.SIGTERM)
    for one in both:
        loop.add_signal_handler(one, stop.set)
    try:
        yield stop
    finally:
        for one in both:
            loop.remove_signal_handler(one)
