"""Every role in numbers on shared servers: rolled once under load, rebuilt under load, nothing lost or failed."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from aigestion.embedded.elasticsearch_home import VERSIONS
from aigestion.projections.catalog import PROJECTIONS
from tests.support.balanced import Balanced, balanced
from tests.support.cluster import Cluster, Role, cluster
from tests.support.elasticsearch import elasticsearch_url
from tests.support.tasks import eventually

LOADS = ((100, 0.5), pytest.param(2_000, 0.1, marks=pytest.mark.nightly))
"""How many conversations at least, and the pause between two in seconds; they go on until all the rest is done."""
ASKING_AT_ONCE = 16
ROLES = ("api", "api", "relay", "relay", "project", "project", "agents", "agents", "agents")
SETTLE_SECONDS_MAX = 900.0
"""Generous: a slow disk makes every append slow, and there are ten thousand of them."""
CALM = {"AIGESTION_HTTP__DRAIN_NOTICE_SECONDS": "1"}
REPLIES = "SELECT count(*) FROM log.events WHERE type = 'agent.replied'"


@pytest.fixture
def production(tmp_path: Path, valkey_url: str) -> Iterator[Cluster]:
    """On every engine there is, with limits that are counted and not reached."""
    search = elasticsearch_url(VERSIONS[-1])
    with cluster(tmp_path, elasticsearch_url=search, valkey_url=valkey_url) as made:
        made.environment |= {
            "AIGESTION_LOG__NAME": f"t{uuid4().hex[:12]}",
            "AIGESTION_LIMITS__ENABLED": "true",
            **{
                f"AIGESTION_LIMITS__{name}_PER_MINUTE": "1000000"
                for name in ("READ", "WRITE", "EXPENSIVE")
            },
        }
        yield made


@pytest.mark.parametrize(("least", "pause"), LOADS)
async def test_everything_is_rolled_and_rebuilt_under_load_and_nobody_notices(
    production: Cluster, least: int, pause: float
) -> None:
    roles = production.started(*ROLES, **CALM)
    key = production.tenant("acme")
    apis = [role.url for role in roles if role.name == "api"]

    async with balanced(apis, key) as api, _log(production) as log:
        await _known(api)
        await _document(api)
        over = asyncio.Event()
        asking = asyncio.create_task(_ask(api, least, pause, over))
        await asyncio.to_thread(_roll, roles)
        rebuilt = await asyncio.to_thread(_rebuild, production)
        over.set()
        conversations = await asking
        assert api.failures == []
        await eventually(lambda: _replied(log, conversations), SETTLE_SECONDS_MAX)

        assert api.behind <= api.requests / 100
        assert api.requests > 2 * conversations
        assert len(rebuilt) == len(PROJECTIONS)
        verified = await asyncio.to_thread(production.cli, "audit", "verify", "--json")
        told = json.loads(verified.stdout)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert {finding["check"] for finding in told["findings"]} == {
            "log",
            "checkpoints",
            "broker",
            *(f"view {projection.name}" for projection in PROJECTIONS),
        }
        usage = await api.request("GET", "/v1/analytics/usage?by=month")
        assert usage is not None
        (month,) = usage.json()["items"]
        assert (month["messages"], month["replies"]) == (conversations, conversations)
    assert all(role.running for role in roles)


def _roll(roles: list[Role]) -> None:
    """Stop and start each once; one that stops in good order ends with 0."""
    for role in roles:
        assert role.terminate() == 0, role.said()
        role.start()
        role.wait_ready()


def _rebuild(production: Cluster) -> list[str]:
    """Rebuild every read model beside the serving ones; each compares itself before it switches."""
    rebuilt = []
    for projection in PROJECTIONS:
        done = production.cli("projections", "rebuild", projection.name, "--json")
        assert done.returncode == 0, done.stderr
        rebuilt.append(json.loads(done.stdout)["fingerprint"]["digest"])
    return rebuilt


async def _ask(api: Balanced, least: int, pause: float, over: asyncio.Event) -> int:
    """Conversations with a question each, some at a time, until it is over; returns how many."""
    room = asyncio.Semaphore(ASKING_AT_ONCE)

    async def one(number: int) -> None:
        async with room:
            started = await api.request(
                "POST",
                "/v1/conversations",
                json={"title": f"Conversation {number}"},
                headers={"Idempotency-Key": str(uuid4())},
            )
            if started is None:
                return
            if started.status_code != 201:
                api.failures.append(f"{started.status_code} {started.text}")
                return
            conversation = started.json()["conversation_id"]
            question = f"How dense is position {number}?"
            said = {"type": "user.chat", "payload": {"text": question}}
            answer = await api.request(
                "POST",
                f"/v1/conversations/{conversation}/interactions",
                json=said,
                headers={"Idempotency-Key": str(uuid4())},
            )
            if answer is None:
                return
            if answer.status_code != 202:
                api.failures.append(f"{answer.status_code} {answer.text}")
            elif number % 10 == 0:
                position = answer.headers["aigestion-position"]
                await api.request(
                    "GET", f"/v1/conversations/{conversation}?min_position={position}"
                )

    asked = 0
    async with asyncio.TaskGroup() as tasks:
        while asked < least or not over.is_set():
            async with room:
                tasks.create_task(one(asked))
            asked += 1
            await asyncio.sleep(pause)
    return asked


async def _document(api: Balanced) -> None:
    text = "A dense position is the number an event gets when it is committed, without holes."
    added = await api.request("POST", "/v1/documents", json={"title": "Positions", "text": text})
    assert added is not None
    assert added.status_code == 201, added.text


async def _known(api: Balanced) -> None:
    """A fresh key opens something as soon as the directory has it: on every process."""

    async def opens_everywhere() -> bool:
        answers = [await api.request("GET", "/v1/conversations") for _ in range(4)]
        return all(answer is not None and answer.status_code == 200 for answer in answers)

    await eventually(opens_everywhere)
    api.failures.clear()


async def _replied(log: "asyncpg.Connection", count: int) -> bool:
    await asyncio.sleep(0.5)
    return int(await log.fetchval(REPLIES)) >= count


@asynccontextmanager
async def _log(production: Cluster) -> "AsyncIterator[asyncpg.Connection]":
    connection = await asyncpg.connect(production.environment["AIGESTION_POSTGRES_OWNER_URL"])
    try:
        yield connection
    finally:
        await connection.close()
