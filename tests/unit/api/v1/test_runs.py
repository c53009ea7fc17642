"""Runs over HTTP: what is asked of whom, and how it is answered."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from aigestion.commands.run.fail_run import FailRun
from aigestion.commands.run.start_run import StartRun
from aigestion.events.run import RunFailed
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
    cancel_requested_at=None,
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
        ("state=null", "state"),
        ("state=failed&state=null", "state"),
        ("conversation_id=null", "conversation_id"),
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
    other = world.keys.issue("acme").key

    found = await client.get(f"/v1/runs/{RUN_ID}")
    foreign = await client.get(f"/v1/runs/{RUN_ID}", headers={"Authorization": f"Bearer {other}"})

    assert (found.status_code, found.json()["run_id"]) == (200, str(RUN_ID))
    assert found.headers["aigestion-position"] == "1"
    assert (foreign.status_code, foreign.json()["code"]) == (404, "not-found")


START = StartRun(
    run_id=RUN_ID,
    conversation_id=RUN.conversation_id,
    agent="assistant",
    in_reply_to=RUN.in_reply_to,
)


async def test_a_run_is_stopped_once(world: World, client: Client) -> None:
    await world.happen(START)

    answers = [
        await client.post(f"/v1/runs/{RUN_ID}/cancel", headers=key)
        for key in ({"Idempotency-Key": "stop"}, {"Idempotency-Key": "stop"}, {})
    ]

    for answer in answers:
        assert (answer.status_code, answer.json()) == (
            202,
            {"run_id": str(RUN_ID), "position": 2},
        )
        assert answer.headers["aigestion-position"] == "2"
    assert await world.types() == ["run.started", "run.cancel_requested"]


async def test_a_run_that_is_only_heard_is_stopped(world: World, client: Client) -> None:
    world.runs.runs["demo", RUN_ID] = RUN

    answer = await client.post(f"/v1/runs/{RUN_ID}/cancel")

    (requested,) = await world.log.read()
    assert answer.status_code == 202
    assert requested.data.conversation_id == RUN.conversation_id


async def test_a_run_that_has_ended_is_409(world: World, client: Client) -> None:
    failed = RunFailed(
        run_id=RUN_ID, conversation_id=RUN.conversation_id, user_id="ana", agent="assistant",
        in_reply_to=RUN.in_reply_to, reason="timeout", message="Sorry.",
    )  # fmt: skip
    await world.happen(START, FailRun(failed))

    answer = await client.post(f"/v1/runs/{RUN_ID}/cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "run-ended")


async def test_another_tenants_run_is_not_stopped(world: World, client: Client) -> None:
    await world.happen(START)
    other = {"Authorization": f"Bearer {world.keys.issue('acme').key}"}

    answer = await client.post(f"/v1/runs/{RUN_ID}/cancel", headers=other)

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert await world.types() == ["run.started"]
