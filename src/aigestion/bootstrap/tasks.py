"""Background tasks of a process: each ends with its block, and none dies in silence (law 14)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

_log = logging.getLogger(__name__)


class Background:
    """Runs what must run all the while. `failed` is set by the first that ends with an error."""

    def __init__(self) -> None:
        self.failed = asyncio.Event()

    @asynccontextmanager
    async def running(self, name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run it inside the block, cancel it at its end and wait until it has ended."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._look)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _look(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("%s has failed", task.get_name(), exc_info=error)
            self.failed.set()
