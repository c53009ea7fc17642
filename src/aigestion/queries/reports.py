"""Reports over the analytics read models: any of the catalog, for one tenant."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import msgspec

from aigestion.projections.progress import Progress
from aigestion.queries.answer import Answer, invalid
from aigestion.queries.report import columns_of, statement
from aigestion.queries.report_question import CheckedQuestion, unknown
from aigestion.readcache.cached import Asked, Cached
from aigestion.readstores.port import View

ROWS_MAX = 2_000
"""Nearly three months of hours."""

Row = dict[str, Any]


class AnalyticsStore(Protocol):
    """The part of a ClickHouse read store that is asked here."""

    async def query(
        self, statement: str, views: Sequence[View], parameters: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]: ...


class ReportQueries:
    """The reports of the catalog."""

    def __init__(
        self, store: AnalyticsStore, progress: Progress, cached: Cached | None = None
    ) -> None:
        self._store = store
        self._progress = progress
        self._cached = cached or Cached()
        self._zones: frozenset[str] = frozenset()

    async def report(
        self, tenant: str, question: CheckedQuestion, *, min_position: int = 0
    ) -> Answer[list[Row]]:
        """The rows, in order of what they are split by; a bucket in which nothing happened has none.

        `start` of a row is the first moment of its bucket, as ISO 8601 in UTC. The first and the last
        bucket count only what lies between. `UnknownName` if there is no such time zone, `InvalidInput`
        if there are more than `ROWS_MAX` rows.
        """
        await self._check_zone(question.tz)
        names = question.report.projections
        known = [await self._progress.at_least(name, min_position) for name in names]
        stale = any(self._progress.stale(name, tenant) for name in names)
        parameters = _parameters(tenant, question)
        asked = Asked(
            tenant=tenant,
            query=f"report {question.report.name}",
            arguments=[question.by, list(question.filters), parameters],
            views=tuple((view.name, position) for view, position in known),
        )
        rows = await self._cached.answer(
            asked,
            list[Row],
            partial(self._rows, question, [view for view, _ in known], parameters),
            cacheable=not stale,
        )
        return Answer(min(position for _, position in known), rows, stale)

    async def _rows(
        self, question: CheckedQuestion, views: Sequence[View], parameters: Mapping[str, Any]
    ) -> list[Row]:
        text = statement(question.report, question.by, list(question.filters))
        found = await self._store.query(text, views, parameters)
        if len(found) > ROWS_MAX:
            raise invalid(
                "by", f"makes more than {ROWS_MAX} rows: ask for less or for longer buckets"
            )
        names = columns_of(question.report, question.by)
        return [dict(zip(names, map(_plain, row), strict=True)) for row in found]

    async def _check_zone(self, tz: str) -> None:
        """The engine reckons with zones: what it does not know is none."""
        if not self._zones:
            found = await self._store.query("SELECT time_zone FROM system.time_zones", (), {})
            self._zones = frozenset(name for (name,) in found)
        if tz not in self._zones:
            raise unknown("tz", "is no time zone such as Europe/Madrid")


def _parameters(tenant: str, question: CheckedQuestion) -> dict[str, Any]:
    """All that a caller says, for `statement`."""
    return {
        "tenant": tenant,
        "start": question.start.astimezone(UTC),
        "end": question.end.astimezone(UTC),
        "bucket": question.bucket,
        "tz": question.tz,
        "steps": list(question.steps),
        "limit": ROWS_MAX + 1,
        **{f"filter_{n}": values for n, values in enumerate(question.filters.values())},
    }


def _plain(value: Any) -> Any:
    """As JSON has it: the same from the engine and from a cache."""
    return msgspec.to_builtins(value) if isinstance(value, datetime) else value
