"""Runs over HTTP: what is asked of whom, and how it is answered."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from aigestion.queries.runs import Run, RunFilter
from tests.support.api_fakes import NOW, World
from tests.unit.api.conftest import Client, fields

RUN_ID = UUID("0199aa10-7c1e-5b1a-9d2c-0f4b1c2d3e4f")
RUN = Run(
    run_id=RUN_ID,
    conversation_id=UUID("0199aa10-7c1e-7b1a-9d2c-0f4b1c2d3e4f"),
    agent="assistant",
    in_reply_to=UUID("0199aa10-7c1e-7b1a-9d2c-0f4b1c2d3e40"),
    state="started",
    reason=None,
    notice=None,
    begun_at=NOW,
    started_at=NOW,
    retrieval=None,
    calls=[],
    ended_at=None,
    position=7,
)


async def test_every_filter_reaches_the_query(world: World, client: Client) -> None:
    conversation_id = RUN.conversation_id
    filters = f"conversation_id={conversation_id}&agent=assistant&state=failed"
    answer = await client.get(f"/v1/runs?{filters}&from=2026-01-01&to=2026-01-02T03:00:00Z")

    assert (answer.status_code, answer.json()) == (
        200,
        {"items": [], "next_cursor": None, "stale": False},
    )
    assert world.runs.asked == [
        (
            "demo",
            RunFilter(
                conversation_id=conversation_id,
                agent="assistant",
                state="failed",
                since=datetime(2026, 1, 1, tzinfo=UTC),
                until=datetime(2026, 1, 2, 3, tzinfo=UTC),
            ),
        )
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("conversation_id=1", "conversation_id"),
        ("agent=", "agent"),
        (f"agent={'a' * 64}", "agent"),
        ("state=done", "state"),
        ("from=yesterday", "from"),
        ("to=yesterday", "to"),
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("limit=0", "limit"),
    ],
)
async def test_a_bad_filter_is_named(client: Client, query: str, field: str) -> None:
    assert fields(await client.get(f"/v1/runs?{query}")) == [field]


async def test_a_run_is_shown_to_its_tenant_only(world: World, client: Client) -> None:
    world.runs.runs["demo", RUN_ID] = RUN
    other = world.directory.issue("acme").key

    found = await client.get(f"/v1/runs/{RUN_ID}")
    foreign = await client.get(f"/v1/runs/{RUN_ID}", headers={"Authorization": f"Bearer {other}"})

    assert (found.status_code, found.json()["run_id"]) == (200, str(RUN_ID))
    assert found.headers["aigestion-position"] == "1"
    assert (foreign.status_code, foreign.json()["code"]) == (404, "not-found")
