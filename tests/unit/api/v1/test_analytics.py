"""Reports over HTTP: what is asked of whom, as JSON and as CSV, and what is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from prometheus_client import CollectorRegistry

from aigestion.api.app import create_app
from aigestion.queries.report_catalog import REPORTS
from tests.support.api import asking
from tests.support.api_fakes import NOW, World
from tests.unit.api.conftest import Client

ROWS = [
    {"action": 'say "hi", twice', "actions": 3, "users": 2},
    {"action": "línea\nnueva", "actions": 1, "users": 1},
]


async def test_a_range_takes_moments_with_and_without_offset(world: World, client: Client) -> None:
    await client.get("/v1/analytics/usage?from=2026-01-01&to=2026-01-02T02:00:00%2B02:00&by=hour")
    await client.get("/v1/analytics/usage")

    (tenant, given), (_, default) = world.reports.asked
    assert tenant == "demo"
    assert given.start == datetime(2026, 1, 1, tzinfo=UTC)
    assert given.end == datetime(2026, 1, 2, tzinfo=UTC)
    assert given.by == ("hour",)
    assert (default.start, default.end) == (NOW - timedelta(days=30), NOW)
    assert (default.by, default.tz) == (("day",), "UTC")


async def test_until_now_is_one_question_a_minute(world: World) -> None:
    for second in (1, 59):
        clock = partial(NOW.replace, second=second)
        app = create_app(replace(world.doors, clock=clock, metrics=CollectorRegistry()))
        async with asking(app, world.demo.key) as client:
            await client.get("/v1/analytics/usage")

    first, second_one = (question for _, question in world.reports.asked)
    assert first == second_one
    assert first.end == NOW + timedelta(minutes=1)


async def test_splits_filters_zone_and_steps_reach_the_report(world: World, client: Client) -> None:
    await client.get(
        "/v1/analytics/tokens?by=week,model&filter=agent:a:b&filter=agent:c&tz=Europe/Madrid"
    )
    await client.get("/v1/analytics/funnel?step=opened&step=paid")

    (_, tokens), (_, funnel) = world.reports.asked
    assert (tokens.by, tokens.tz) == (("week", "model"), "Europe/Madrid")
    assert tokens.filters == {"agent": ["a:b", "c"]}
    assert funnel.steps == ("opened", "paid")


async def test_rows_come_with_the_names_of_their_columns(world: World, client: Client) -> None:
    world.reports.rows = ROWS

    answer = await client.get("/v1/analytics/actions")

    assert answer.json() == {
        "report": "actions",
        "columns": ["action", "actions", "users"],
        "items": ROWS,
        "stale": False,
    }
    assert answer.headers["aigestion-position"] == "1"


@pytest.mark.parametrize(
    ("query", "accept"),
    [("?format=csv", "*/*"), ("", "text/csv"), ("", "text/csv, application/json;q=0.5")],
)
async def test_the_same_rows_come_as_csv(
    world: World, client: Client, query: str, accept: str
) -> None:
    world.reports.rows, world.reports.stale = ROWS, True

    answer = await client.get(f"/v1/analytics/actions{query}", headers={"Accept": accept})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert (answer.headers["aigestion-position"], answer.headers["aigestion-stale"]) == (
        "1",
        "true",
    )
    assert answer.content.decode() == (
        'action,actions,users\r\n"say ""hi"", twice",3,2\r\n"línea\nnueva",1,1\r\n'
    )


async def test_an_actions_name_is_no_formula_in_a_spreadsheet(world: World, client: Client) -> None:
    world.reports.rows = [{"action": "=HYPERLINK(1)", "actions": -1, "users": 0}]

    answer = await client.get("/v1/analytics/actions?format=csv")

    assert answer.text.splitlines()[1] == "'=HYPERLINK(1),-1,0"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/csv;q=0.1, application/json"])
async def test_json_comes_unless_csv_is_preferred(client: Client, accept: str) -> None:
    answer = await client.get("/v1/analytics/actions", headers={"Accept": accept})

    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "status", "code", "says"),
    [
        ("usages", 404, "not-found", "there are usage, active_users, latency"),
        ("usage?by=user", 422, "unknown-name", "hour, day, week, month, agent, or total"),
        ("usage?filter=user:ana", 422, "unknown-name", "usage is filtered on agent"),
        ("usage?step=opened", 422, "unknown-name", "step is not a parameter of usage"),
        ("usage?from=2021-01-01&to=2026-01-01", 400, "invalid-input", "more than 400 days"),
        ("usage?from=2026-01-02&to=2026-01-01", 400, "invalid-input", "from must be before to"),
    ],
)
async def test_what_is_refused_says_what_there_is(
    client: Client, path: str, status: int, code: str, says: str
) -> None:
    answer = await client.get(f"/v1/analytics/{path}")

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert says in problem["detail"]
    if status != 404:
        assert problem["errors"][0]["message"] in problem["detail"]


async def test_every_report_is_listed_with_all_it_takes(client: Client) -> None:
    items = (await client.get("/v1/analytics")).json()["items"]

    assert [item["name"] for item in items] == [report.name for report in REPORTS]
    for item in items:
        path = f"/v1/analytics/{item['name']}"
        steps = "step=a&step=b&" if item["takes_steps"] else ""
        for split in (*item["buckets"], *(one["name"] for one in item["dimensions"])):
            answer = await client.get(f"{path}?{steps}by={split}")
            assert answer.json()["columns"][1:] == [one["name"] for one in item["measures"]]
