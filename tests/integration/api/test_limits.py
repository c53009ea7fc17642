"""Limits on a real server and a real Valkey: forged addresses, an outage, and the end of it."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from valkey.exceptions import ValkeyError

from aigestion.api.keys import mint_key
from aigestion.ratelimit.routes import RouteLimits
from aigestion.ratelimit.strangers import Strangers
from aigestion.ratelimit.valkey import ValkeyRateLimiter
from aigestion.valkey.breaker import Breaker
from aigestion.valkey.client import opened_valkey
from tests.integration.api.conftest import Wire
from tests.support.api_fakes import World
from tests.support.tasks import patience
from tests.support.valkey import StoppableValkey

LIST = "/v1/conversations"
READS, FAILURES = 20, 3


@pytest.fixture
async def world(own_valkey: StoppableValkey) -> AsyncIterator[World]:
    async with opened_valkey(own_valkey.url) as client:
        breaker = Breaker("valkey", (ValkeyError,), pause_seconds=0.1)
        yield World(
            limiter=RouteLimits(
                ValkeyRateLimiter(client, namespace="test", breaker=breaker),
                per_minute={"read": READS, "write": 100, "expensive": 100},
                strangers=Strangers(failures_per_minute=FAILURES),
            )
        )


async def test_the_limit_holds_on_the_wire(wire: Wire) -> None:
    answers = await asyncio.gather(*(wire.ask("GET", LIST) for _ in range(READS + 10)))

    refused = [one for one in answers if one.status == 429]
    assert len(refused) == 10
    assert {one.headers["content-type"] for one in refused} == {"application/problem+json"}
    assert all(0 < int(one.headers["retry-after"]) <= 61 for one in refused)
    left = sorted(int(one.headers["ratelimit-remaining"]) for one in answers if one.status == 200)
    assert left == list(range(READS))


async def test_a_forged_address_changes_nothing_on_the_wire(wire: Wire) -> None:
    statuses = []
    for number in range(FAILURES + 3):
        forged = {"X_Forwarded_For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"}
        key = f"Bearer {mint_key().key}"
        statuses.append((await wire.ask("GET", LIST, Authorization=key, **forged)).status)

    assert statuses == [401] * FAILURES + [429] * 3


async def test_without_the_store_reads_are_open_and_the_rest_is_closed_until_it_is_back(
    wire: Wire, own_valkey: StoppableValkey, conversation: str
) -> None:
    path = f"{LIST}/{conversation}/interactions"
    chat = json.dumps({"type": "user.chat", "payload": {"text": "hello"}}).encode()
    before = await wire.ask("POST", path, chat)
    own_valkey.stop()

    closed = await wire.ask("POST", path, chat)
    reads = [await wire.ask("GET", LIST) for _ in range(READS + 2)]
    still_closed = await wire.ask("POST", path, chat)
    own_valkey.start()

    assert before.status == 202
    for one in (closed, still_closed):
        assert (one.status, one.json()["code"], one.json()["engine"]) == (
            503,
            "engine-unavailable",
            "valkey",
        )
        assert one.headers["retry-after"] == "1"
    assert [one.status for one in reads] == [200] * READS + [429] * 2
    async with patience():
        while (again := await wire.ask("POST", path, chat)).status == 503:
            await asyncio.sleep(0.05)
    assert again.status == 202
    assert int(again.headers["ratelimit-remaining"]) == 98  # what was spent before still counts
