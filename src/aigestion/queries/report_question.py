"""What may be asked of a report, and what it says to what may not."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from aigestion.kernel.errors import NotFound, UnknownName
from aigestion.queries.answer import invalid, is_text
from aigestion.queries.report import BUCKETS, Report
from aigestion.queries.report_catalog import REPORTS

RANGE_DAYS_MAX = 400
RANGE_DAYS_DEFAULT = 30
MOMENT_MIN, MOMENT_MAX = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""What every engine can reckon with."""
STEPS_MAX = 10
"""As many as `funnel.sql` looks at."""
FILTERS_MAX = 20
TOTAL = "total"
"""Split by nothing: one row for the whole range."""
NAME_CHARS_SHOWN_MAX = 64


class ReportQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A report as somebody asks for it, in names."""

    report: str
    start: datetime | None = None
    """What occurred from here on; None for `RANGE_DAYS_DEFAULT` before `end`."""
    end: datetime
    """And before this."""
    by: tuple[str, ...] = ()
    """At most one length of a bucket, and dimensions; none for the report's own, `total` for one row."""
    filters: tuple[tuple[str, str], ...] = ()
    """Dimension and value; several values of one dimension are alternatives."""
    tz: str = "UTC"
    """Where days, weeks and months begin."""
    steps: tuple[str, ...] = ()
    """Names of actions in order, for a funnel."""


class CheckedQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """The same in things that there are. Only the engine can tell whether there is such a zone."""

    report: Report
    start: datetime
    end: datetime
    by: tuple[str, ...]
    filters: Mapping[str, list[str]]
    """Values by dimension."""
    tz: str
    steps: tuple[str, ...]

    @property
    def bucket(self) -> str:
        """Its length; empty if there is none."""
        return next((one for one in self.by if one in BUCKETS), "")


def checked(question: ReportQuestion) -> CheckedQuestion:
    """The question, if it can be answered.

    `NotFound` if there is no such report and `UnknownName` for what it does not know; both say what there is.
    `InvalidInput` for a bad range or value.
    """
    report = _report(question.report)
    start, end = _checked_range(question)
    _check_steps(report, question.steps)
    return CheckedQuestion(
        report=report,
        start=start,
        end=end,
        by=_checked_by(report, question.by),
        filters=_checked_filters(report, question.filters),
        tz=question.tz,
        steps=question.steps,
    )


def unknown(field: str, message: str) -> UnknownName:
    """The error that names one field, and what there is."""
    return UnknownName(f"{field} {message}.", errors=[{"field": field, "message": message}])


def _report(name: str) -> Report:
    found = next((report for report in REPORTS if report.name == name), None)
    if found is None:
        there_are = ", ".join(report.name for report in REPORTS)
        raise NotFound(f"There is no report of this name; there are {there_are}.")
    return found


def _checked_range(question: ReportQuestion) -> tuple[datetime, datetime]:
    end = _checked_moment("to", question.end)
    if question.start is None:
        return end - timedelta(days=RANGE_DAYS_DEFAULT), end
    start = _checked_moment("from", question.start)
    if start >= end:
        raise invalid("from", "must be before to")
    if end - start > timedelta(days=RANGE_DAYS_MAX):
        raise invalid("from", f"must not be more than {RANGE_DAYS_MAX} days before to")
    return start, end


def _checked_moment(field: str, moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise invalid(field, "needs a time zone")
    if not MOMENT_MIN <= moment <= MOMENT_MAX:
        raise invalid(field, f"must lie between {MOMENT_MIN.year} and {MOMENT_MAX.year}")
    return moment


def _checked_by(report: Report, by: Sequence[str]) -> tuple[str, ...]:
    if tuple(by) == (TOTAL,):
        return ()
    for one in by:
        if one not in report.splits:
            there_are = f"{report.name} is split by {', '.join(report.splits)}, or {TOTAL}"
            raise unknown("by", f"does not know {_shown(one)}: {there_are}")
    if len(set(by)) < len(by) or sum(one in BUCKETS for one in by) > 1:
        raise unknown("by", "names a column, or a length of a bucket, more than once")
    return tuple(by) or report.by


def _checked_filters(report: Report, filters: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    if len(filters) > FILTERS_MAX:
        raise invalid("filter", f"must not come more than {FILTERS_MAX} times")
    names = [one.name for one in report.dimensions]
    values: dict[str, list[str]] = {}
    for name, value in filters:
        if name not in names:
            there_are = f"{report.name} is filtered on {', '.join(names)}"
            raise unknown("filter", f"does not know {_shown(name)}: {there_are}")
        if not is_text(value):
            raise invalid("filter", "must be text")
        values.setdefault(name, []).append(value)
    return values


def _check_steps(report: Report, steps: Sequence[str]) -> None:
    if not report.takes_steps:
        if steps:
            raise unknown("step", f"is not a parameter of {report.name}")
        return
    if not 2 <= len(steps) <= STEPS_MAX:
        raise invalid("step", f"must come from 2 to {STEPS_MAX} times, with the name of an action")
    if not all(step and is_text(step) for step in steps):
        raise invalid("step", "must be the name of an action")
    if len(set(steps)) < len(steps):
        raise invalid("step", "must name different actions")


def _shown(name: str) -> str:
    """A caller's word in our sentence: short, and harmless on a terminal."""
    return ascii(name[:NAME_CHARS_SHOWN_MAX])
