"""Reports over time, from ClickHouse: as JSON, or as CSV for a spreadsheet."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from litestar import Router, get
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, Schema
from litestar.params import PathParameter, QueryParameter

from aigestion.api.answers import READ_HEADERS, Answered, MinPosition, problems, reading
from aigestion.api.limits import CHARGE
from aigestion.api.parameters import moment
from aigestion.api.request import ApiRequest
from aigestion.queries.answer import invalid
from aigestion.queries.report import Report, columns_of
from aigestion.queries.report_catalog import REPORTS
from aigestion.queries.report_question import (
    FILTERS_MAX,
    RANGE_DAYS_DEFAULT,
    STEPS_MAX,
    TOTAL,
    ReportQuestion,
    checked,
)
from aigestion.queries.reports import Row
from aigestion.ratelimit.routes import Charge

TEXT_CHARS_MAX = 256
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
MINUTE = timedelta(minutes=1)
_NAMES = ", ".join(f"`{report.name}`" for report in REPORTS)

Text = Annotated[str, msgspec.Meta(max_length=TEXT_CHARS_MAX)]
From = Annotated[
    str | None,
    QueryParameter(
        name="from",
        max_length=64,
        description=f"ISO 8601; {RANGE_DAYS_DEFAULT} days before `to` if not given.",
    ),
]
To = Annotated[
    str | None,
    QueryParameter(
        name="to",
        max_length=64,
        description="ISO 8601; the end of the present minute if not given.",
    ),
]
By = Annotated[
    str | None,
    QueryParameter(
        max_length=TEXT_CHARS_MAX,
        description="What to split by, with commas between: at most one of `hour`, `day`, `week` and "
        f"`month`, and dimensions of the report; `{TOTAL}` for one row. Each report has its own default.",
    ),
]
Filters = Annotated[
    list[Text] | None,
    QueryParameter(
        name="filter",
        max_items=FILTERS_MAX,
        description="`<dimension>:<value>`; several values of one dimension are alternatives.",
    ),
]
Zone = Annotated[
    str,
    QueryParameter(
        max_length=64, description="The time zone in which days, weeks and months begin."
    ),
]
Steps = Annotated[
    list[Text] | None,
    QueryParameter(
        name="step", max_items=STEPS_MAX, description="Of `funnel`: names of actions, in order."
    ),
]
Form = Annotated[
    Literal["json", "csv"] | None,
    QueryParameter(name="format", description="Instead of `Accept: text/csv`."),
]


class ReportRows(msgspec.Struct, frozen=True):
    """A report's rows; a bucket in which nothing happened has none."""

    report: str
    columns: list[str]
    """The names in every item, in order: what the report is split by, then its numbers."""
    items: list[Row]
    stale: bool = False
    """Something may be missing: some of what happened waits in quarantine."""


class DescribedColumn(msgspec.Struct, frozen=True):
    """A column of a report."""

    name: str
    meaning: str
    unit: str | None = None
    """Of a number: `count`, `seconds`, `tokens` or `score`."""


class DescribedReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a report counts, and how it may be asked."""

    name: str
    meaning: str
    by: list[str]
    """How it is split unless it is said."""
    buckets: list[str]
    """The lengths of buckets that it takes."""
    dimensions: list[DescribedColumn]
    """What it may be split by and filtered on."""
    measures: list[DescribedColumn]
    takes_steps: bool
    """Whether `step` names actions in order."""


class Reports(msgspec.Struct, frozen=True):
    """Every report there is."""

    items: list[DescribedReport]


class _Csv(Answered[ReportRows]):
    """The same rows for a spreadsheet, under a line of names (RFC 4180)."""

    content_type = b"text/csv; charset=utf-8"

    def encoded(self) -> bytes:
        text = io.StringIO()
        lines = csv.DictWriter(text, self.content.columns, lineterminator="\r\n")
        lines.writeheader()
        lines.writerows(
            {name: _cell(value) for name, value in row.items()} for row in self.content.items
        )
        return text.getvalue().encode()


@dataclass
class _OrCsv(Operation):
    """Says of the answer that it may be CSV too."""

    def __post_init__(self) -> None:
        answer = (self.responses or {})["200"]
        assert isinstance(answer, OpenAPIResponse)
        assert answer.content is not None
        answer.content["text/csv"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


@get("/analytics", summary="List reports", tags=["Analytics"], responses=problems())
async def list_reports() -> Reports:
    """What every report counts, what it may be split by and filtered on."""
    return Reports([_described(report) for report in REPORTS])


@get(
    "/analytics/{report:str}",
    opt={CHARGE: Charge("read", cost=5)},
    operation_class=_OrCsv,
    responses=reading(404, 422),
    response_headers=READ_HEADERS,
    summary="Ask a report",
    tags=["Analytics"],
)
async def ask_report(
    request: ApiRequest,
    report: Annotated[str, PathParameter(description=f"One of {_NAMES}.")],
    start: From = None,
    end: To = None,
    by: By = None,
    filters: Filters = None,
    tz: Zone = "UTC",
    steps: Steps = None,
    form: Form = None,
    min_position: MinPosition = 0,
) -> Answered[ReportRows]:
    """Numbers of the tenant, split by time and by what they are about, as JSON or as CSV."""
    named = ReportQuestion(
        report=report,
        start=moment("from", start) if start else None,
        end=moment("to", end) if end else _next_minute(request.doors.clock()),
        by=tuple(by.split(",")) if by else (),
        filters=tuple(_filter(one) for one in filters or ()),
        tz=tz,
        steps=tuple(steps or ()),
    )
    question = checked(named)
    answer = await request.doors.reports.report(request.tenant, question, min_position=min_position)
    rows = ReportRows(
        report=question.report.name,
        columns=columns_of(question.report, question.by),
        items=answer.data,
        stale=answer.stale,
    )
    answered = _Csv if _wants_csv(request, form) else Answered
    return answered(rows, answer.position, stale=answer.stale)


analytics = Router("/", route_handlers=[list_reports, ask_report])


def _described(report: Report) -> DescribedReport:
    return DescribedReport(
        name=report.name,
        meaning=report.meaning,
        by=list(report.by),
        buckets=list(report.buckets),
        dimensions=[DescribedColumn(one.name, one.meaning) for one in report.dimensions],
        measures=[DescribedColumn(one.name, one.meaning, one.unit) for one in report.measures],
        takes_steps=report.takes_steps,
    )


def _filter(given: str) -> tuple[str, str]:
    name, colon, value = given.partition(":")
    if not colon:
        raise invalid("filter", "must look like agent:assistant")
    return name, value


def _cell(value: Any) -> Any:
    """A user's text that a spreadsheet would take for a formula is marked as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


def _wants_csv(request: ApiRequest, form: str | None) -> bool:
    if form is not None:
        return form == "csv"
    return request.accept.best_match(["application/json", "text/csv"]) == "text/csv"


def _next_minute(now: datetime) -> datetime:
    """What is asked for "until now" is one question a minute, and not a new one each time."""
    begun = now.replace(second=0, microsecond=0)
    return begun if begun == now else begun + MINUTE
