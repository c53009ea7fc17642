"""The log as readers see it: opened events in their present shape."""

from typing import Any

from aigestion.events.recorded import Recorded
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.port import EventStore
from aigestion.kernel.query import EVERYTHING, Query


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

    async def head(self) -> int:
        """The position of the last event; 0 for an empty log."""
        return await self._store.head()
