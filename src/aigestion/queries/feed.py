"""The log as a feed: one tenant's events in order of position."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader, TenantEvents
from aigestion.kernel.errors import NotFound, ViewBehind
from aigestion.kernel.query import matching
from aigestion.projections.progress import RETRY_AFTER_SECONDS, WAIT_SECONDS_MAX
from aigestion.queries.answer import BIGINT_MAX, Answer, checked_limit, invalid, is_text

FEED_EVENTS_MAX = 1_000
POLL_SECONDS = 0.05
_TYPE = re.compile(r"[a-z_]{1,64}\.[a-z_]{1,64}")
_TAG = re.compile(r"[a-z_]+:[^\s\x00-\x1f]{1,255}")


class FeedQueries:
    """Reads the log itself."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader

    async def at_least(self, min_position: int) -> int:
        """The log's head, once it is that far: it is unless nobody has written that yet.

        Raises `ViewBehind` if that takes longer than `WAIT_SECONDS_MAX`.
        """
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS_MAX
        while (head := await self._reader.head()) < min_position:
            if asyncio.get_running_loop().time() >= deadline:
                raise ViewBehind(
                    f"The log ends at {head}, not yet at {min_position}.",
                    position=head,
                    min_position=min_position,
                    retry_after_seconds=RETRY_AFTER_SECONDS,
                )
            await asyncio.sleep(POLL_SECONDS)
        return head

    async def feed(
        self,
        tenant: str,
        *,
        after: int,
        types: Sequence[str] = (),
        tag: str | None = None,
        limit: int,
        min_position: int = 0,
    ) -> Answer[list[Recorded[Any]]]:
        """Events later than `after`, of any of `types`, that carry `tag` (`conversation:…`).

        `position` is the log's head before it was read, at least `min_position`: fewer than `limit`
        events means there are no more up to it. `InvalidInput` for a bad after, type, tag or limit; `ViewBehind`.
        """
        checked_limit(limit, FEED_EVENTS_MAX)
        if not 0 <= after <= BIGINT_MAX:
            raise invalid("after", "must be a position, 0 or more")
        if not all(_TYPE.fullmatch(name) for name in types):
            raise invalid("type", "must be the name of an event type, such as user.chat")
        if tag is not None and not (_TAG.fullmatch(tag) and is_text(tag)):
            raise invalid("tag", "must be <kind>:<id>, such as conversation:<uuid>")
        query = matching(*([tag] if tag else []), types=tuple(types)).scoped(tenant)
        head = await self.at_least(min_position)
        events = await self._reader.read(query, after=after, limit=limit)
        return Answer(head, events)

    async def event(
        self, tenant: str, event_id: UUID, *, min_position: int = 0
    ) -> Answer[Recorded[Any]]:
        """One event of the tenant. `NotFound`; `ViewBehind`."""
        head = await self.at_least(min_position)
        event = await TenantEvents(self._reader, tenant).find(event_id)
        if event is None:
            raise NotFound(f"There is no event {event_id}.")
        return Answer(max(head, event.position), event)
