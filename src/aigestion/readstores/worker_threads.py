"""Threads of its own for an engine whose calls block."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aigestion.kernel.cancellation import finished

T = TypeVar("T")


class WorkerThreads:
    """Runs calls beside the event loop, at most `threads_max` at a time."""

    def __init__(self, name: str, threads_max: int) -> None:
        self._threads = ThreadPoolExecutor(threads_max, thread_name_prefix=name)

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """The call's result. A caller that is cancelled still waits for the call to end."""
        loop = asyncio.get_running_loop()
        return await finished(loop.run_in_executor(self._threads, call, *arguments))

    def close(self) -> None:
        """Take no more calls. Does not wait."""
        self._threads.shutdown(wait=False)
