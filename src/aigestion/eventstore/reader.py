"""The log as readers see it: opened events in their present shape."""

import asyncio
from collections.abc import AsyncGenerator, Container
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import msgspec

from aigestion.events.recorded import Recorded
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.port import EventStore, SequencedEvent
from aigestion.kernel.errors import Corrupt
from aigestion.kernel.query import EVERYTHING, Query

OPENED_AT_ONCE_MAX = 100
"""A few milliseconds: then whoever shares the event loop has a turn."""


class Page(msgspec.Struct, frozen=True):
    """A piece of the log, without a hole."""

    events: list[Recorded[Any]]
    """Those of the types that were asked for."""
    last: int
    """The position it ends at."""
    is_full: bool
    """Whether it has as many events as it may have: another comes."""


class LogReader:
    """Reads and opens. The query's tags carry the tenant (`Query.scoped`)."""

    def __init__(self, store: EventStore, codec: Codec) -> None:
        self._store = store
        self._codec = codec

    async def read(
        self, query: Query = EVERYTHING, *, after: int = 0, limit: int | None = None
    ) -> list[Recorded[Any]]:
        """Events that match, in order of position, later than `after`.

        Raises what `Codec.open` raises: nothing is left out in silence.
        """
        stored = await self._store.read(query, after=after, limit=limit)
        return [await self._codec.open(one) for one in stored]

    async def find(self, event_id: UUID) -> Recorded[Any] | None:
        """The event with this id, of whatever tenant; None if there is none. Raises what `Codec.open` raises."""
        stored = await self._store.find(event_id)
        return None if stored is None else await self._codec.open(stored)

    async def pages(
        self,
        after: int,
        events_max: int,
        types: Container[str] | None = None,
        *,
        upto: int | None = None,
    ) -> AsyncGenerator[Page, None]:
        """What stands at `after + 1`, `after + 2`… to the end of the log, or to `upto`, in pieces of `events_max`.

        The next is read while the caller is at work on this one; the last is not full, and may be
        empty. Only events of `types` are opened (None: all). Raises `Corrupt` for a missing position,
        also one before `upto`, and what `Codec.open` raises: `UnknownEvent` for one of any type.
        """
        reading = self._read_on(after, events_max, upto)
        try:
            while reading is not None:
                stored = await reading
                last = after + len(stored)
                is_full = len(stored) == events_max
                reading = self._read_on(last, events_max, upto) if is_full else None
                events = await self._opened(stored, after, types)
                if upto is not None and last < upto and not is_full:
                    raise _missing(last + 1)
                yield Page(events, last, is_full)
                after = last
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    def _read_on(
        self, after: int, events_max: int, upto: int | None
    ) -> asyncio.Task[list[SequencedEvent]] | None:
        limit = events_max if upto is None else min(events_max, upto - after)
        if limit <= 0:
            return None
        return asyncio.create_task(self._store.read(after=after, limit=limit))

    async def _opened(
        self, stored: list[SequencedEvent], after: int, types: Container[str] | None
    ) -> list[Recorded[Any]]:
        events = []
        for n, one in enumerate(stored, 1):
            if one.position != after + n:
                raise _missing(after + n)
            if types is None or one.event.type in types:
                events.append(await self._codec.open(one))
            else:
                self._codec.check_known(one)
            if n % OPENED_AT_ONCE_MAX == 0:
                await asyncio.sleep(0)
        return events

    async def head(self) -> int:
        """The position of the last event; 0 for an empty log."""
        return await self._store.head()


class Events(Protocol):
    """Opened events: of everybody (`LogReader`), of one tenant, or those that a key shows over HTTP."""

    async def read(
        self, query: Query = EVERYTHING, *, after: int = 0, limit: int | None = None
    ) -> list[Recorded[Any]]:
        """Events that match, in order of position, later than `after`. Tags are without the tenant."""
        ...

    async def find(self, event_id: UUID) -> Recorded[Any] | None:
        """The event with this id, if it is one of these."""
        ...

    async def head(self) -> int:
        """The position of the log's last event, whosever it is; 0 for an empty log."""
        ...


@dataclass(frozen=True)
class TenantEvents:
    """One tenant's events: nobody else's are ever asked for."""

    reader: LogReader
    tenant: str

    async def read(
        self, query: Query = EVERYTHING, *, after: int = 0, limit: int | None = None
    ) -> list[Recorded[Any]]:
        return await self.reader.read(query.scoped(self.tenant), after=after, limit=limit)

    async def find(self, event_id: UUID) -> Recorded[Any] | None:
        found = await self.reader.find(event_id)
        return found if found is not None and found.tenant == self.tenant else None

    async def head(self) -> int:
        return await self.reader.head()


def _missing(position: int) -> Corrupt:
    return Corrupt(f"the log has no position {position}", position=position)
