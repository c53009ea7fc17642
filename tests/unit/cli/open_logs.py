"""A log for commands to read, without engines: what `open_log` yields, over a history in memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aigestion.eventstore.memory import MemoryCheckpointStore
from aigestion.eventstore.reader import LogReader
from tests.unit.audit.histories import Truth

OpenLog = Callable[[Path], AbstractAsyncContextManager[Any]]


def opening(truth: Truth, **more: Any) -> OpenLog:
    """Stands where `open_log` stands, and opens this history."""

    @asynccontextmanager
    async def open_it(_data_dir: Path, *, appending: bool = False) -> AsyncIterator[Any]:
        yield SimpleNamespace(
            store=truth.history,
            codec=truth.codec,
            reader=LogReader(truth.history, truth.codec),
            **{"tenant": "demo", "checkpoints": MemoryCheckpointStore()} | more,
        )

    return open_it
