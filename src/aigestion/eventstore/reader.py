"""The log as readers see it: opened events in their present shape."""

import asyncio
from collections.abc import Container
from typing import Any

import msgspec

from aigestion.events.recorded import Recorded
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.port import EventStore
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
    """Whether it has as many events as it may have: there may be more."""


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

    async def page(self, after: int, limit: int, types: Container[str] | None = None) -> Page:
        """What stands at `after + 1`, `after + 2`…; only events of `types` are opened (None: all).

        Raises `Corrupt` for a missing position, and what `Codec.open` raises: `UnknownEvent` for an
        unknown event of any type.
        """
        stored = await self._store.read(after=after, limit=limit)
        events = []
        for n, one in enumerate(stored, 1):
            if one.position != after + n:
                raise Corrupt(f"the log has no position {after + n}", position=after + n)
            if types is None or one.event.type in types:
                events.append(await self._codec.open(one))
            else:
                self._codec.check_known(one)
            if n % OPENED_AT_ONCE_MAX == 0:
                await asyncio.sleep(0)
        return Page(events, after + len(stored), len(stored) == limit)

    async def head(self) -> int:
        """The position of the last event; 0 for an empty log."""
        return await self._store.head()
