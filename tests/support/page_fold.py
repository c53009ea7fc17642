"""What the page must show of a log: every number counted from the events, and written as the page writes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import quote, urlencode

from aigestion.queries.report import Report
from aigestion.queries.report_catalog import REPORTS
from aigestion.queries.report_question import TOTAL, ReportQuestion, checked
from tests.support.history import History
from tests.support.report_fold import folded

REPORT = {report.name: report for report in REPORTS}
CHARTS = {
    "Messages and replies": ("usage", "messages"),
    "Active users": ("active_users", "users"),
    "Failures": ("usage", "failures"),
    "Tokens": ("tokens", "input_tokens"),
    "Until the whole answer": ("latency", "call_p50_seconds"),
    "Until the first token": ("latency", "first_token_p50_seconds"),
    "From message to reply": ("agents", "reply_p50_seconds"),
    "Calls with an answer": ("latency", "calls"),
    "Model calls": ("tokens", "calls"),
    "Tokens read and written": ("tokens", "input_tokens"),
    "Found and not found": ("retrieval", "hits"),
    "Replies that cite nothing": ("retrieval", "uncited_replies"),
    "Passages": ("retrieval", "passages"),
    "Best score": ("retrieval", "best_score_p50"),
    "How runs end": ("agents", "replied"),
    "Runs": ("agents", "runs"),
}
"""By panel: its report, and the number that is shown of it when it is split."""
BREAKDOWNS = {
    "What failed, and why": ("errors", ("type", "reason")),
    "What users did": ("actions", ("action",)),
    "Use by model": ("tokens", ("provider", "model", "returned_model")),
    "Speed by model": ("latency", ("provider", "model")),
    "By agent": ("agents", ("agent",)),
    "By outcome": ("agents", ("outcome", "reason")),
}
NOTHING = ("0", "–")
Differences = list[tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class View:
    """A view as it is asked for."""

    path: str
    bucket: str
    tz: str
    by: str = ""
    only: tuple[str, str] | None = None

    def address(self, begin: datetime, end: datetime) -> str:
        asked = {
            "range": "custom",
            "from": begin.isoformat(),
            "to": end.isoformat(),
            "bucket": self.bucket,
            "tz": self.tz,
            "by": self.by,
            "only": ":".join(map(quote, self.only or ())),
        }
        return f"{self.path}?{urlencode(asked)}"


class PageFold:
    """The numbers of one view; each method says what of the page is otherwise, and how much it looked at."""

    def __init__(
        self, log: History, tenant: str, view: View, begin: datetime, end: datetime
    ) -> None:
        self._log = log
        self._tenant = tenant
        self._view = view
        self._begin = begin
        self._end = end
        self._counted: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        self.compared = 0

    def differences(self, page: Mapping[str, Any]) -> Differences:
        found: Differences = []
        for name, text in page["tiles"].items():
            found += self._of_tile(*name.split("."), text)
        for name, chart in page["charts"].items():
            found += self._of_chart(name, chart)
        for name, table in page["breakdowns"].items():
            found += self._of_breakdown(name, table)
        return [one for one in found if not _only_rounded(one[-2], one[-1])]

    def _of_tile(self, name: str, measure: str, text: str) -> Differences:
        rows = self._rows(REPORT[name], (TOTAL,))
        expected = _text(REPORT[name], measure, rows[0][measure] if rows else None)
        self.compared += 1
        return [] if text == expected else [(name, measure, text, expected)]

    def _of_chart(self, name: str, chart: Mapping[str, Any]) -> Differences:
        report, split_measure = REPORT[CHARTS[name][0]], CHARTS[name][1]
        split = self._view.by if self._view.by in {one.name for one in report.dimensions} else None
        labels = chart["columns"][1:]
        expected: dict[tuple[datetime, str], str] = {}
        for row in self._rows(report, (self._view.bucket, *([split] if split else ()))):
            at = datetime.fromisoformat(row["start"])
            if split:
                text = _text(report, split_measure, row[split_measure])
                expected[at, row[split] or f"no {_words(split)}"] = text
            else:
                for measure in report.measures:
                    if (label := _words(measure.name)) in labels:
                        expected[at, label] = _text(report, measure.name, row[measure.name])
        shown = {
            (datetime.fromisoformat(start), label): cell
            for start, cells in chart["rows"].items()
            for label, cell in zip(labels, cells, strict=True)
        }
        self.compared += len(shown)
        return [
            (name, *place, shown.get(place), expected.get(place))
            for place in {**shown, **expected}
            if shown.get(place, "0") != expected.get(place, "0")
            and not (shown.get(place, "0") in NOTHING and expected.get(place, "0") in NOTHING)
        ]

    def _of_breakdown(self, name: str, table: Mapping[str, Any]) -> Differences:
        report_name, by = BREAKDOWNS[name]
        report = REPORT["retrieval" if self._view.path == "retrieval" else report_name]
        measures = [one.name for one in report.measures if _words(one.name) in table["columns"]]
        order = [one for one in table["columns"] if one not in map(_words, by)]
        measures.sort(key=lambda one: order.index(_words(one)))
        expected = {
            tuple(row[one] or "none" for one in by): [_text(report, m, row[m]) for m in measures]
            for row in self._rows(report, by)
        }
        shown = {tuple(row[: len(by)]): row[len(by) :] for row in table["rows"]}
        self.compared += len(shown) * len(measures)
        return [
            (name, key, shown.get(key), expected.get(key))
            for key in {**shown, **expected}
            if shown.get(key) != expected.get(key)
        ]

    def _rows(self, report: Report, by: Sequence[str]) -> list[dict[str, Any]]:
        names = {one.name for one in report.dimensions}
        only = self._view.only
        question = ReportQuestion(
            report=report.name,
            start=self._begin,
            end=self._end,
            by=tuple(by),
            filters=(only,) if only and only[0] in names else (),
            tz=self._view.tz,
        )
        key = report.name, *by
        if key not in self._counted:
            self._counted[key] = folded(self._log, self._tenant, checked(question))
        return self._counted[key]


def _only_rounded(shown: object, expected: object) -> bool:
    """A quantile lies between two numbers, and two programs may take the last step to it in another order."""
    if isinstance(shown, list) and isinstance(expected, list) and len(shown) == len(expected):
        cells = zip(shown, expected, strict=True)
        return all(one == other or _only_rounded(one, other) for one, other in cells)
    seconds = [str(one).removesuffix(" s").replace(",", "") for one in (shown, expected)]
    if not all(str(one).endswith(" s") for one in (shown, expected)):
        return False
    return abs(Decimal(seconds[0]) - Decimal(seconds[1])) <= Decimal("0.001")


def _words(name: str) -> str:
    return name.removesuffix("_seconds").replace("_", " ")


def _text(report: Report, measure: str, value: float | None) -> str:
    """A number as the page writes it."""
    unit = next(one.unit for one in report.measures if one.name == measure)
    if value is None:
        return "–"
    if unit in ("count", "tokens"):
        return f"{value:,}"
    rounded = Decimal(value).quantize(Decimal("0.001"), ROUND_HALF_UP)
    return f"{rounded:,} s" if unit == "seconds" else f"{rounded:,}"
