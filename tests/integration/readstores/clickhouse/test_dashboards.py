"""The Grafana dashboards: every query of theirs runs, and shows the numbers that the reports have."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from aigestion.queries.report_catalog import REPORTS
from aigestion.queries.report_question import ReportQuestion, checked
from aigestion.queries.reports import ReportQueries
from aigestion.readstores.clickhouse.engine import Engine
from aigestion.readstores.clickhouse.tables import Layout
from tests.support.analytics import Analytics
from tests.support.seeded_history import BEGIN, DAYS, seeded_history

FILE = Path(__file__).parents[4] / "deploy/grafana/dashboards/aigestion.json"
END = BEGIN + timedelta(days=DAYS + 1)
STEPS = ("opened", "paid")
TENANT = "demo's"


def sent(sql: str, database: str) -> str:
    """What Grafana and its ClickHouse plugin make of a query before they send it."""
    texts = {"tenant": TENANT, "bucket": "day", "tz": "Europe/Madrid", "steps": ",".join(STEPS)}
    for name, value in texts.items():
        quoted = value.replace("'", "''")
        sql = sql.replace(f"${{{name}:sqlstring}}", f"'{quoted}'")
    sql = sql.replace("${database}", database)
    sql = sql.replace("$__fromTime", f"toDateTime({int(BEGIN.timestamp())})")
    sql = sql.replace("$__toTime", f"toDateTime({int(END.timestamp())})")
    assert "$" not in sql
    return sql


def plain(rows: Any) -> list[list[Any]]:
    return [msgspec.to_builtins(list(row)) for row in rows]


async def test_every_panel_shows_what_its_report_answers(engine: Engine, layout: Layout) -> None:
    analytics = Analytics(engine, layout)
    await analytics.build(seeded_history(200, tenants=(TENANT, "other")))
    queries = ReportQueries(analytics.store, analytics.progress)
    dashboard = msgspec.json.decode(FILE.read_bytes())
    reports = {report.name.replace("_", " ").capitalize(): report for report in REPORTS}
    shown = set()

    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            title, _, split = panel["title"].partition(" by ")
            report = reports[title.partition(":")[0]]
            question = ReportQuestion(
                report=report.name,
                start=BEGIN,
                end=END,
                by=tuple(split.split(", ")) if split else ("day",),
                tz="Europe/Madrid",
                steps=STEPS if report.takes_steps else (),
            )
            select, _, _ = target["rawSql"].partition("\nFROM (")
            columns = re.findall(r" AS (\w+),?$", select, re.MULTILINE)
            found = plain(await engine.query(sent(target["rawSql"], layout.contract_database)))
            expected = (await queries.report(TENANT, checked(question))).data
            assert found == [[row[column] for column in columns] for row in expected], title
            assert found, panel["title"]
            shown.add(report.name)

    assert shown == {report.name for report in REPORTS}


async def test_a_dashboard_offers_the_tenants_there_are(engine: Engine, layout: Layout) -> None:
    analytics = Analytics(engine, layout)
    await analytics.build(seeded_history(2, tenants=("b", "a")))
    variables = msgspec.json.decode(FILE.read_bytes())["templating"]["list"]
    (tenant,) = (one for one in variables if one["name"] == "tenant")

    found = await engine.query(sent(tenant["query"], layout.contract_database))

    assert list(found) == [("a",), ("b",)]


def test_no_panel_lies_on_another() -> None:
    panels = [one["gridPos"] for one in msgspec.json.decode(FILE.read_bytes())["panels"]]
    cells = [
        (x, y)
        for one in panels
        for x in range(one["x"], one["x"] + one["w"])
        for y in range(one["y"], one["y"] + one["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
