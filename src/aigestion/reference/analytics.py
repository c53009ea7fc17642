"""The page about analytics: the views that dashboards may ask."""

from aigestion.readstores.clickhouse.contract import VIEWS, AnalyticsView
from aigestion.reference.markdown import literal, page, section, table


def analytics_page() -> str:
    """Every view of the contract, column by column."""
    intro = (
        "What may be asked of ClickHouse directly: the views of the database `<log name>_analytics` "
        "(`analytics` in the embedded engine). Their names and columns are a contract: columns may be "
        "added, none changes or goes without a major release. They always show the read model that "
        "serves. Every row is final: an event that is delivered twice, or a read model that is rebuilt, "
        "changes no number. How to connect is [in the guide](../guides/analytics.md)."
    )
    overview = table(
        ["view", "read model", "meaning"],
        [
            (f"[{view.name}](#{view.name})", literal(view.projection), view.meaning)
            for view in VIEWS
        ],
    )
    return page("Analytics", intro, overview, *(_view(view) for view in VIEWS))


def _view(view: AnalyticsView) -> str:
    rows = [(literal(column.name), literal(column.type), column.meaning) for column in view.columns]
    return section(view.name, view.meaning, table(["column", "type", "meaning"], rows))
