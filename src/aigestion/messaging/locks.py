"""The port of locks: at most one process works on a thing. Correctness does not hang on it, costs do."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol


class Locks(Protocol):
    """Named locks that vanish with the process that holds them."""

    def hold(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Try to take the lock, without waiting, until the block is left; yields whether it is ours.

        Raises `Unavailable` if nobody can tell.
        """
        ...


class MemoryLocks:
    """Locks within one process."""

    def __init__(self) -> None:
        self._held: set[str] = set()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[bool]:
        if name in self._held:
            yield False
            return
        self._held.add(name)
        try:
            yield True
        finally:
            self._held.discard(name)
