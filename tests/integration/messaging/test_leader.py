"""Leadership on a real Postgres."""

import asyncio

import asyncpg

from aigestion.messaging.leader import HEARTBEAT_SECONDS, PostgresLeadership, lock_key
from tests.support.tasks import WAIT_SECONDS_MAX, eventually, patience


async def test_one_leads_and_the_other_takes_over(database_url: str) -> None:
    first, second = (PostgresLeadership(database_url, "relay") for _ in range(2))
    led: list[str] = []

    async def lead(name: str, leadership: PostgresLeadership) -> None:
        async with leadership.held():
            led.append(name)

    async with first.held() as tenure:
        waiting = asyncio.create_task(lead("second", second))
        await asyncio.sleep(1.2)
        assert led == []
        assert not tenure.lost

    await asyncio.wait_for(waiting, WAIT_SECONDS_MAX)
    assert led == ["second"]
    assert tenure.lost


async def test_different_names_lead_beside_each_other(database_url: str) -> None:
    async with (
        patience(),
        PostgresLeadership(database_url, "relay").held() as one,
        PostgresLeadership(database_url, "read models").held() as other,
    ):
        assert not one.lost
        assert not other.lost


async def test_a_lost_connection_is_lost_leadership(database_url: str) -> None:
    leadership = PostgresLeadership(database_url, "relay")
    other = await asyncpg.connect(database_url)

    async with leadership.held() as tenure:
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
            "AND ((classid::bigint << 32) | objid::bigint) = $1",
            lock_key("relay"),
        )
        await asyncio.wait_for(tenure.until_lost(), HEARTBEAT_SECONDS / 2)
        async with patience(), PostgresLeadership(database_url, "relay").held():
            pass

    await other.close()


async def test_a_standby_survives_an_absent_database() -> None:
    leadership = PostgresLeadership("postgresql://nobody@127.0.0.1:1/none", "relay")
    led = False

    async def lead() -> None:
        nonlocal led
        async with leadership.held():
            led = True

    standby = asyncio.create_task(lead())
    await asyncio.sleep(1.2)

    assert not led
    assert not standby.done()
    standby.cancel()
    await eventually(standby.cancelled)
