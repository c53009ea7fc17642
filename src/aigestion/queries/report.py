"""A report: what it counts and how it may be split, and the one statement that makes it so."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import msgspec

from aigestion.readstores.clickhouse.contract import VIEWS, AnalyticsView

Bucket = Literal["hour", "day", "week", "month"]
BUCKETS: tuple[str, ...] = get_args(Bucket)
START = "start"
"""The column of the bucket."""

_SCRIPTS = Path(__file__).parent / "sql" / "reports"
_START = "{start:DateTime64(6, 'UTC')}"
_END = "{end:DateTime64(6, 'UTC')}"
_OF_TENANT = (
    "SELECT * FROM (\n{rows}\n) WHERE tenant = {{tenant:String}}{since} AND {moment} < {end}"
)


class Dimension(msgspec.Struct, frozen=True):
    """What a report may be split by and filtered on."""

    name: str
    meaning: str
    column: str = ""
    """Of the rows; empty if it is called the same."""

    @property
    def sql(self) -> str:
        return f"fact.{self.column or self.name}"


class Measure(msgspec.Struct, frozen=True):
    """A number of a report."""

    name: str
    sql: str
    """An aggregate over rows, each a `fact`."""
    meaning: str
    unit: Literal["count", "seconds", "tokens", "score"] = "count"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Rows, counted in buckets of time and split by dimensions."""

    name: str
    meaning: str
    rows: str
    """A view of the contract, or a script that reads some of them."""
    views: tuple[str, ...]
    """Those of the contract that it reads."""
    moment: str = "occurred_at"
    """The column of the rows that says which bucket they belong to; empty if it has no buckets."""
    dimensions: tuple[Dimension, ...]
    measures: tuple[Measure, ...]
    by: tuple[str, ...]
    """How it is split unless it is said."""
    takes_steps: bool = False

    @property
    def buckets(self) -> tuple[str, ...]:
        """The lengths of buckets that `by` may name."""
        return BUCKETS if self.moment else ()

    @property
    def splits(self) -> tuple[str, ...]:
        """All that `by` may name."""
        return (*self.buckets, *(one.name for one in self.dimensions))

    @property
    def projections(self) -> tuple[str, ...]:
        """The read models that it needs."""
        return tuple(dict.fromkeys(_VIEWS[name].projection for name in self.views))

    def dimension(self, name: str) -> Dimension:
        return next(one for one in self.dimensions if one.name == name)


_VIEWS: Mapping[str, AnalyticsView] = {view.name: view for view in VIEWS}


def statement(
    report: Report,
    by: Sequence[str],
    filters: Sequence[str] = (),
    select: Callable[[AnalyticsView], str] = lambda view: view.select,
) -> str:
    """The statement, and in it as parameters whatever a caller says: tenant, range, zone, values.

    `by` and `filters` are names of the report's own. `filters` are the dimensions that are filtered
    on: the parameter `filter_0` has the values of the first. `select` is how rows of a view are had;
    the columns of the answer are `columns_of(report, by)`.
    """
    keys = [_bucket(report) if one in BUCKETS else _split(report, one) for one in by]
    numbers = [f"{measure.sql} AS {measure.name}" for measure in report.measures]
    only = [
        f"toString({report.dimension(name).sql}) IN {{filter_{n}:Array(String)}}"
        for n, name in enumerate(filters)
    ]
    names = ", ".join(START if one in BUCKETS else one for one in by)
    parts = [
        "SELECT\n    " + ",\n    ".join([*keys, *numbers]),
        f"FROM (\n{_rows(report, select)}\n) AS fact",
        "WHERE " + " AND ".join(only) if only else "",
        f"GROUP BY {names}\nORDER BY {names}" if names else "",
        "LIMIT {limit:UInt32}",
    ]
    return "\n".join(part for part in parts if part)


def columns_of(report: Report, by: Sequence[str]) -> list[str]:
    """What a row of the answer has, in this order."""
    keys = [START if one in BUCKETS else one for one in by]
    return [*keys, *(measure.name for measure in report.measures)]


def _bucket(report: Report) -> str:
    # A week or a month is a date, which only its zone makes a moment.
    truncated = f"date_trunc({{bucket:String}}, fact.{report.moment}, {{tz:String}})"
    return f"toTimeZone(toDateTime64({truncated}, 6, {{tz:String}}), 'UTC') AS {START}"


def _split(report: Report, name: str) -> str:
    return f"{report.dimension(name).sql} AS {name}"


def _rows(report: Report, select: Callable[[AnalyticsView], str]) -> str:
    """The report's rows: only of the tenant, only of the range."""
    if report.rows in _VIEWS:
        return _of_tenant(_VIEWS[report.rows], select, is_bounded=True)
    text = _script(report.rows)
    for name in report.views:
        view = _VIEWS[name]
        text = text.replace(f"{{{name}}}", f"(\n{_of_tenant(view, select, is_bounded=True)}\n)")
        to_date = f"(\n{_of_tenant(view, select, is_bounded=False)}\n)"
        text = text.replace(f"{{{name}_to_date}}", to_date)
    return text


def _of_tenant(
    view: AnalyticsView, select: Callable[[AnalyticsView], str], *, is_bounded: bool
) -> str:
    since = f" AND {view.moment} >= {_START}" if is_bounded else ""
    return _OF_TENANT.format(rows=select(view), since=since, moment=view.moment, end=_END)


@cache
def _script(name: str) -> str:
    _comment, _, text = (_SCRIPTS / f"{name}.sql").read_text().partition("\n")
    return text.rstrip()
