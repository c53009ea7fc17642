"""The page about analytics: the reports there are, and the views that dashboards may ask."""

from aigestion.queries.report import Report
from aigestion.queries.report_catalog import REPORTS
from aigestion.readstores.clickhouse.contract import VIEWS, AnalyticsView
from aigestion.reference.markdown import literal, page, section, table


def analytics_page() -> str:
    """Every report and every view of the contract, column by column."""
    intro = (
        "What can be counted. Reports are asked [over HTTP](http.md#get-v1analyticsreport); views of the "
        "database `<log name>_analytics` are asked in ClickHouse. Their names and columns are a contract: "
        "some may be added, none changes or goes without a major release. Every row is final: an event "
        "that is delivered twice, or a read model that is rebuilt, changes no number. How to ask is "
        "[in the guide](../guides/analytics.md)."
    )
    reports = table(
        ["report", "meaning"],
        [(f"[{one.name}](#report-{one.name})", one.meaning) for one in REPORTS],
    )
    views = table(
        ["view", "read model", "meaning"],
        [
            (f"[{view.name}](#view-{view.name})", literal(view.projection), view.meaning)
            for view in VIEWS
        ],
    )
    return page(
        "Analytics",
        intro,
        reports,
        views,
        *(_report(report) for report in REPORTS),
        *(_view(view) for view in VIEWS),
    )


def _report(report: Report) -> str:
    split = ", ".join(map(literal, report.splits))
    steps = " Takes `step`, from two times on." if report.takes_steps else ""
    dimensions = [(literal(one.name), "dimension", one.meaning) for one in report.dimensions]
    measures = [(literal(one.name), one.unit, one.meaning) for one in report.measures]
    return section(
        f"Report {report.name}",
        report.meaning,
        f"Split by {split} or `total`; by {', '.join(map(literal, report.by))} unless it is said.{steps}",
        table(["column", "", "meaning"], [*dimensions, *measures]),
    )


def _view(view: AnalyticsView) -> str:
    rows = [(literal(column.name), literal(column.type), column.meaning) for column in view.columns]
    return section(f"View {view.name}", view.meaning, table(["column", "type", "meaning"], rows))
