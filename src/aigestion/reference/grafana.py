"""The Grafana dashboard: a row of panels a report, asked of the views of the contract."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec

from aigestion.queries.report import BUCKETS, Report, statement
from aigestion.queries.report_catalog import REPORTS
from aigestion.queries.reports import ROWS_MAX

DATASOURCE = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
COLUMNS = 24
"""Grafana's grid is so wide."""
HEIGHT = 8

VIEW = "SELECT * FROM ${{database}}.{view}"
VALUES = {
    "{tenant:String}": "${tenant:sqlstring}",
    "{start:DateTime64(6, 'UTC')}": "$__fromTime",
    "{end:DateTime64(6, 'UTC')}": "$__toTime",
    "{tz:String}": "${tz:sqlstring}",
    "{steps:Array(String)}": "splitByChar(',', ${steps:sqlstring})",
    "{limit:UInt32}": str(ROWS_MAX),
}
"""What a report takes as parameters, as the variables and macros of a dashboard: Grafana quotes them."""

_UNITS = {"count": "short", "seconds": "s", "tokens": "short", "score": "none"}


def dashboard_json() -> str:
    """The dashboard as it is kept, and imported."""
    return msgspec.json.format(msgspec.json.encode(_dashboard()), indent=2).decode() + "\n"


def _dashboard() -> dict[str, Any]:
    return {
        "uid": "aigestion",
        "title": "AIGestion",
        "tags": ["aigestion"],
        "editable": False,
        "schemaVersion": 39,
        "timezone": "",
        "time": {"from": "now-30d", "to": "now"},
        "templating": {"list": list(_variables())},
        "panels": list(_panels()),
    }


def _variables() -> Iterator[dict[str, Any]]:
    yield {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": DATASOURCE["type"],
    }
    yield _text_box("database", "aigestion_analytics")
    tenants = "SELECT tenant FROM ${database}.events_by_type GROUP BY tenant ORDER BY tenant"
    yield {
        "name": "tenant",
        "label": "Tenant",
        "type": "query",
        "datasource": DATASOURCE,
        "query": tenants,
        "refresh": 1,
    }
    yield {
        "name": "bucket",
        "label": "Bucket",
        "type": "custom",
        "query": ",".join(BUCKETS),
        "current": {"text": "day", "value": "day"},
    }
    yield _text_box("tz", "UTC")
    yield _text_box("steps", "opened,paid")


def _text_box(name: str, value: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "textbox",
        "query": value,
        "current": {"text": value, "value": value},
    }


def _panels() -> Iterator[dict[str, Any]]:
    id_, top = 1, 0
    for report in REPORTS:
        yield _placed(_heading(report), id_, top, 0, COLUMNS, 1)
        panels = list(_of(report))
        width = COLUMNS // len(panels)
        for n, panel in enumerate(panels, 1):
            yield _placed(panel, id_ + n, top + 1, (n - 1) * width, width, HEIGHT)
        id_, top = id_ + len(panels) + 1, top + 1 + HEIGHT


def _placed(
    panel: dict[str, Any], id_: int, top: int, left: int, width: int, height: int
) -> dict[str, Any]:
    return {"id": id_, **panel, "gridPos": {"x": left, "y": top, "w": width, "h": height}}


def _heading(report: Report) -> dict[str, Any]:
    return {"type": "row", "title": _title(report.name), "collapsed": False, "panels": []}


def _of(report: Report) -> Iterator[dict[str, Any]]:
    """A curve a unit, unless time is in the table already; and a table of what it is split by."""
    names = {dimension.name for dimension in report.dimensions}
    by = report.by if names.intersection(report.by) else (report.dimensions[0].name,)
    if report.buckets and not set(BUCKETS).intersection(by):
        for unit, measures in groupby(report.measures, key=lambda measure: measure.unit):
            yield _curves(msgspec.structs.replace(report, measures=tuple(measures)), unit)
    yield _table(report, by)


def _curves(report: Report, unit: str) -> dict[str, Any]:
    """Over time, in buckets as long as the dashboard's variable says."""
    sql = _sql(report, (BUCKETS[0],), bucket="${bucket:sqlstring}")
    return {
        "type": "timeseries",
        "title": f"{_title(report.name)}: {unit}",
        "description": _described(report),
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": {"unit": _UNITS[unit]}, "overrides": []},
        "targets": [_target("timeseries", 0, sql)],
    }


def _table(report: Report, by: tuple[str, ...]) -> dict[str, Any]:
    bucket = next((one for one in by if one in BUCKETS), "")
    sql = _sql(report, by, bucket=f"'{bucket}'")
    return {
        "type": "table",
        "title": f"{_title(report.name)} by {', '.join(by)}",
        "description": _described(report),
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": {}, "overrides": []},
        "targets": [_target("table", 1, sql)],
    }


def _target(query_type: str, format_: int, sql: str) -> dict[str, Any]:
    return {
        "refId": "A",
        "datasource": DATASOURCE,
        "editorType": "sql",
        "queryType": query_type,
        "format": format_,
        "rawSql": sql,
    }


def _sql(report: Report, by: tuple[str, ...], *, bucket: str) -> str:
    sql = statement(report, by, select=lambda view: VIEW.format(view=view.name))
    for parameter, value in {**VALUES, "{bucket:String}": bucket}.items():
        sql = sql.replace(parameter, value)
    return sql


def _described(report: Report) -> str:
    return " ".join(f"{measure.name}: {measure.meaning}" for measure in report.measures)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
