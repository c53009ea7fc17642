"""The events that a key shows: the feed `/v1/events`, opened as a log is."""

from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from aigestion.client.http import Answered, Api
from aigestion.events.catalog import Catalog
from aigestion.events.recorded import Recorded
from aigestion.kernel.errors import Corrupt
from aigestion.kernel.query import EVERYTHING, Query, QueryItem

FEED_EVENTS_MAX = 1_000
"""As many events as one answer may hold."""
_PATH = "/v1/events"
_NOT_FOUND = 404


class HttpEvents:
    """`Events` over HTTP. Raises what `Api` raises, and `UnknownEvent` for a type of a newer system."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def read(
        self, query: Query = EVERYTHING, *, after: int = 0, limit: int | None = None
    ) -> list[Recorded[Any]]:
        """The query has one item, with at most one tag: more the feed cannot be asked."""
        [item] = query.items or (QueryItem(),)
        asked: dict[str, Any] = {"type": list(item.types)} if item.types else {}
        if item.tags:
            [asked["tag"]] = item.tags
        events: list[Recorded[Any]] = []
        while limit is None or len(events) < limit:
            wanted = FEED_EVENTS_MAX if limit is None else min(limit - len(events), FEED_EVENTS_MAX)
            feed = await self._api.get(_PATH, after=after, limit=wanted, **asked)
            events += [_opened(item) for item in feed["items"]]
            after = feed["next_after"]
            if len(feed["items"]) < wanted:
                break
        return events

    async def find(self, event_id: UUID) -> Recorded[Any] | None:
        try:
            return _opened(await self._api.get(f"{_PATH}/{event_id}"))
        except Answered as problem:
            if problem.status == _NOT_FOUND:
                return None
            raise

    async def head(self) -> int:
        return await self._api.position(f"{_PATH}?limit=1")


def _opened(item: dict[str, Any]) -> Recorded[Any]:
    try:
        event_class = _catalog().event_class(item["type"], item["schema_version"])
        return msgspec.convert(item, Recorded[event_class])  # type: ignore[valid-type]
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise Corrupt(f"The feed does not have the shape of its events: {error}") from error


@cache
def _catalog() -> Catalog:
    return Catalog()
