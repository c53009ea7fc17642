"""The read models `activity` and `model_calls`, asked: how much of what, when."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from aigestion.projections.progress import Progress
from aigestion.queries.answer import Answer, invalid
from aigestion.readcache.cached import Asked, Cached
from aigestion.readstores.port import View

POINTS_MAX = 2_000
"""Nearly three months of hours."""

Bucket = Literal["hour", "day", "week", "month"]


class UsagePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One bucket of time; one in which nothing happened has no point."""

    start: datetime
    """The first moment of the bucket, in UTC. Weeks start on Monday."""
    events: int
    """All of them: of users, agents, runs, documents."""
    messages: int
    """What users wrote or said."""
    actions: int
    """What users did."""
    replies: int
    failures: int
    """Runs that ended without a reply."""
    model_calls: int
    """Calls that ended, with an answer or without."""
    model_failures: int
    input_tokens: int
    """As far as providers name them."""
    output_tokens: int


class AnalyticsStore(Protocol):
    """The part of a ClickHouse read store that is asked here."""

    async def query(
        self, statement: str, views: Sequence[View], parameters: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]: ...


class UsageQueries:
    """Usage of one tenant."""

    def __init__(
        self, store: AnalyticsStore, progress: Progress, cached: Cached | None = None
    ) -> None:
        self._store = store
        self._progress = progress
        self._cached = cached or Cached()

    async def usage(
        self,
        tenant: str,
        *,
        start: datetime,
        end: datetime,
        by: Bucket,
        min_position: int = 0,
    ) -> Answer[list[UsagePoint]]:
        """Counts of what occurred from `start` until before `end`, oldest bucket first.

        The first and the last bucket count only what lies between. `InvalidInput` if there are more
        than `POINTS_MAX` points, or for a moment without time zone.
        """
        for name, moment in (("start", start), ("end", end)):
            if moment.tzinfo is None:
                raise invalid(name, "needs a time zone")
        activity, counted = await self._progress.at_least("activity", min_position)
        calls, called = await self._progress.at_least("model_calls", min_position)
        stale = any(self._progress.stale(name, tenant) for name in ("activity", "model_calls"))
        parameters = {
            "tenant": tenant,
            "start": start.astimezone(UTC),
            "end": end.astimezone(UTC),
            "by": by,
            "limit": POINTS_MAX + 1,
        }
        asked = Asked(
            tenant=tenant,
            query="usage",
            arguments=parameters,
            views=((activity.name, counted), (calls.name, called)),
        )
        points = await self._cached.answer(
            asked,
            list[UsagePoint],
            partial(self._points, (activity, calls), parameters),
            cacheable=not stale,
        )
        return Answer(min(counted, called), points, stale)

    async def _points(
        self, views: Sequence[View], parameters: Mapping[str, Any]
    ) -> list[UsagePoint]:
        rows = await self._store.query(_statement(), views, parameters)
        if len(rows) > POINTS_MAX:
            raise invalid(
                "by", f"makes more than {POINTS_MAX} points: ask for less or for longer buckets"
            )
        names = UsagePoint.__struct_fields__
        return [UsagePoint(**dict(zip(names, row, strict=True))) for row in rows]


@cache
def _statement() -> str:
    return (Path(__file__).parent / "sql" / "usage.sql").read_text()
