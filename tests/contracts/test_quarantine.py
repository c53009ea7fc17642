"""What every quarantine promises, in memory and in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from aigestion.projections.quarantine import MemoryQuarantine, Quarantine
from aigestion.readstores.parked import ParkedEvent
from aigestion.readstores.port import View
from aigestion.readstores.postgres.quarantine import PostgresQuarantine
from tests.support.postgres_views import runtime_pool

VIEW, OTHER = View("conversations", 2, 1), View("conversations", 2, 2)
HARBOUR, LIGHTHOUSE = "demo/conversation:harbour", "acme/conversation:lighthouse"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with runtime_pool(database_url) as pool:
        yield pool


@pytest.fixture(params=["memory", "postgres"])
def quarantine(request: pytest.FixtureRequest) -> Quarantine:
    if request.param == "memory":
        return MemoryQuarantine()
    return PostgresQuarantine(request.getfixturevalue("pool"))


def parked(position: int, key: str = HARBOUR, error: str | None = None) -> ParkedEvent:
    tenant = key.partition("/")[0]
    return ParkedEvent(position=position, key=key, tenant=tenant, type="user.chat", error=error)


async def positions(quarantine: Quarantine, key: str = HARBOUR, limit: int = 100) -> list[int]:
    return [one.position for one in await quarantine.events(VIEW, key, limit)]


async def test_a_new_view_has_nothing_parked(quarantine: Quarantine) -> None:
    assert await quarantine.keys(VIEW) == {}
    assert await quarantine.events(VIEW, HARBOUR, 10) == []


async def test_a_key_tells_of_its_first_event_and_counts_all(quarantine: Quarantine) -> None:
    await quarantine.park(VIEW, [parked(7, error="broken"), parked(8, LIGHTHOUSE, "too large")])
    await quarantine.park(VIEW, [parked(9), parked(12)])

    found = await quarantine.keys(VIEW)

    assert list(found) == [HARBOUR, LIGHTHOUSE]
    harbour, lighthouse = found.values()
    assert (harbour.tenant, harbour.events, harbour.position) == ("demo", 3, 7)
    assert (harbour.type, harbour.error) == ("user.chat", "broken")
    assert (harbour.redrive, harbour.tried_at) == (False, None)
    assert harbour.since.tzinfo is not None
    assert (lighthouse.tenant, lighthouse.events) == ("acme", 1)


async def test_events_of_a_key_come_in_order(quarantine: Quarantine) -> None:
    await quarantine.park(VIEW, [parked(12), parked(8, LIGHTHOUSE), parked(9), parked(7)])

    assert await positions(quarantine) == [7, 9, 12]
    assert await positions(quarantine, limit=2) == [7, 9]
    assert await quarantine.events(VIEW, LIGHTHOUSE, 1) == [parked(8, LIGHTHOUSE)]


async def test_an_event_is_parked_once(quarantine: Quarantine) -> None:
    await quarantine.park(VIEW, [parked(7, error="broken")])

    await quarantine.park(VIEW, [parked(7), parked(8)])
    await quarantine.park(VIEW, [parked(7), parked(8)])

    [harbour] = (await quarantine.keys(VIEW)).values()
    assert (harbour.events, harbour.error) == (2, "broken")
    assert await positions(quarantine) == [7, 8]


async def test_views_have_nothing_to_do_with_each_other(quarantine: Quarantine) -> None:
    await quarantine.park(VIEW, [parked(7)])
    await quarantine.park(OTHER, [parked(7), parked(8)])

    assert await quarantine.ask(VIEW) == 1
    await quarantine.forget(OTHER)
    await quarantine.forget(OTHER)

    assert await quarantine.keys(OTHER) == {}
    assert await quarantine.events(OTHER, HARBOUR, 10) == []
    assert await positions(quarantine) == [7]


async def test_a_key_is_gone_with_its_last_event(quarantine: Quarantine) -> None:
    await quarantine.park(VIEW, [parked(7, error="broken"), parked(8)])
    await quarantine.ask(VIEW)

    await quarantine.remove(VIEW, HARBOUR, 7)
    await quarantine.remove(VIEW, HARBOUR, 7)
    [left] = (await quarantine.keys(VIEW)).values()
    await quarantine.remove(VIEW, HARBOUR, 8)

    assert (left.events, left.position, left.error, left.redrive) == (1, 8, None, True)
    assert await quarantine.keys(VIEW) == {}
    await quarantine.park(VIEW, [parked(9)])
    [again] = (await quarantine.keys(VIEW)).values()
    assert (again.events, again.redrive) == (1, False)


async def test_a_redrive_is_asked_for_by_key_or_for_all(quarantine: Quarantine) -> None:
    await quarantine.park(VIEW, [parked(7), parked(8, LIGHTHOUSE)])

    assert await quarantine.ask(VIEW, "demo/conversation:nobody") == 0
    assert await quarantine.ask(VIEW, LIGHTHOUSE) == 1
    assert [one.redrive for one in (await quarantine.keys(VIEW)).values()] == [False, True]
    assert await quarantine.ask(VIEW) == 2
    assert [one.redrive for one in (await quarantine.keys(VIEW)).values()] == [True, True]
    assert await quarantine.ask(OTHER) == 0


async def test_a_redrive_that_fails_leaves_its_error_and_is_over(quarantine: Quarantine) -> None:
    await quarantine.park(VIEW, [parked(7, error="broken"), parked(8)])
    await quarantine.ask(VIEW)

    await quarantine.failed(VIEW, HARBOUR, 7, "broken otherwise")

    [harbour] = (await quarantine.keys(VIEW)).values()
    assert (harbour.error, harbour.redrive, harbour.events) == ("broken otherwise", False, 2)
    assert harbour.tried_at is not None
    assert harbour.tried_at >= harbour.since


async def test_parking_at_once_counts_every_event_once(quarantine: Quarantine) -> None:
    await asyncio.gather(*(quarantine.park(VIEW, [parked(n), parked(n + 1)]) for n in range(10)))

    [harbour] = (await quarantine.keys(VIEW)).values()
    assert harbour.events == len(await positions(quarantine)) == 11


async def test_a_thousand_keys_are_parked_and_looked_at(quarantine: Quarantine) -> None:
    keys = [f"demo/conversation:{n}" for n in range(1_000)]

    await quarantine.park(VIEW, [parked(n, key) for n, key in enumerate(keys, 1)])

    assert list(await quarantine.keys(VIEW)) == keys
