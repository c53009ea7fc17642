"""The log as a feed: one tenant's events in order of position."""

import re
from collections.abc import Sequence
from typing import Any

from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.query import matching
from aigestion.queries.answer import BIGINT_MAX, Answer, checked_limit, invalid, is_text

FEED_EVENTS_MAX = 1_000
_TYPE = re.compile(r"[a-z_]{1,64}\.[a-z_]{1,64}")
_TAG = re.compile(r"[a-z_]+:[^\s\x00-\x1f]{1,255}")


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
        up to it. `InvalidInput` for a bad after, type, tag or limit.
        """
        checked_limit(limit, FEED_EVENTS_MAX)
        if not 0 <= after <= BIGINT_MAX:
            raise invalid("after", "must be a position, 0 or more")
        if not all(_TYPE.fullmatch(name) for name in types):
            raise invalid("type", "must be the name of an event type, such as user.chat")
        if tag is not None and not (_TAG.fullmatch(tag) and is_text(tag)):
            raise invalid("tag", "must be <kind>:<id>, such as conversation:<uuid>")
        query = matching(*([tag] if tag else []), types=tuple(types)).scoped(tenant)
        head = await self._reader.head()
        events = await self._reader.read(query, after=after, limit=limit)
        return Answer(head, events)
