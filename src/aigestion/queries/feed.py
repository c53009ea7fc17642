"""The log as a feed: one tenant's events in order of position."""

from collections.abc import Sequence
from typing import Any

from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader
from aigestion.queries.answer import Answer

FEED_EVENTS_MAX = 1_000


class FeedQueries:
    """Reads the log itself: nothing is behind, so there is no `min_position`."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader

    async def feed(
        self,
        tenant: str,
        *,
        after: int,
        types: Sequence[str] = (),
        tag: str | None = None,
        limit: int,
    ) -> Answer[list[Recorded[Any]]]:
        """Events later than `after`, of any of `types`, that carry `tag` (`conversation:…`).

        `position` is the log's head before it was read: fewer than `limit` events means there are no more
        up to it. `InvalidInput` for a bad after, tag or limit.
        """
        raise NotImplementedError
