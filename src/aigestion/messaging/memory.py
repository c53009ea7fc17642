"""A broker and a leadership in memory: for tests, and to read what a port promises."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from aigestion.kernel.errors import SequenceMismatch, Unavailable
from aigestion.messaging.port import Message


class MemoryBroker:
    """A stream in a list."""

    def __init__(self, retention: timedelta = timedelta(days=7), quiet_seconds: float = 0.05):
        self.retention = retention
        self._quiet_seconds = quiet_seconds
        self._first = 1
        self._stream: list[Message] | None = None
        self._news = asyncio.Event()

    async def last_sequence(self) -> int | None:
        return None if self._stream is None else self._first + len(self._stream) - 1

    async def create(self, first_sequence: int) -> None:
        if self._stream is None:
            self._first, self._stream = first_sequence, []

    async def event_id_at(self, sequence: int) -> UUID | None:
        held = self._after(sequence - 1)
        return UUID(held[0].headers["ce-id"]) if held and held[0].position == sequence else None

    async def publish(self, messages: Iterable[Message]) -> None:
        if self._stream is None:
            raise Unavailable("there is no stream", engine="broker")
        batch = list(messages)
        last = self._first + len(self._stream) - 1
        if batch[0].position != last + 1:
            raise SequenceMismatch(f"the stream ends at {last}, not before {batch[0].position}")
        self._stream.extend(batch)
        self._news.set()
        self._news = asyncio.Event()

    async def messages(self, after: int) -> AsyncIterator[list[Message]]:
        while True:
            news = self._news
            batch = self._after(after)
            if not batch:
                try:
                    async with asyncio.timeout(self._quiet_seconds):
                        await news.wait()
                    continue
                except TimeoutError:
                    pass
            yield batch
            if batch:
                after = batch[-1].position

    def forget(self, last: int) -> None:
        """Lose every message later than `last`, though it was acknowledged."""
        self._stream = [m for m in self._stream or [] if m.position <= last]

    def delete(self) -> None:
        """Lose the stream."""
        self._stream = None

    def _after(self, position: int) -> list[Message]:
        return (self._stream or [])[max(position + 1 - self._first, 0) :]


class MemoryTenure:
    """Leadership that lasts until a test ends it."""

    def __init__(self) -> None:
        self._lost = asyncio.Event()

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    async def until_lost(self) -> None:
        await self._lost.wait()

    def lose(self) -> None:
        self._lost.set()


class MemoryLeadership:
    """One leader among the holders of one object."""

    def __init__(self) -> None:
        self._seat = asyncio.Lock()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[MemoryTenure]:
        async with self._seat:
            yield MemoryTenure()


class MemoryLeaderships:
    """Leaderships among the holders of one object."""

    def __init__(self) -> None:
        self._seats: dict[str, MemoryLeadership] = {}

    def of(self, name: str) -> MemoryLeadership:
        return self._seats.setdefault(name, MemoryLeadership())
