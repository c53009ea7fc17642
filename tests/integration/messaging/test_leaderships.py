"""Many leaderships of a process on one connection of a real Postgres."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from aigestion.messaging.leader import HEARTBEAT_SECONDS, PostgresLeadership
from aigestion.messaging.leaderships import PostgresLeaderships
from tests.support.tasks import eventually, patience, running

NAMES = [f"read model {n} v1" for n in range(8)]


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator["asyncpg.Connection"]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


class Process:
    """Leads what it can get."""

    def __init__(self, url: str, name: str) -> None:
        self.leaderships = PostgresLeaderships(url, name)
        self.led: set[str] = set()

    async def lead(self, name: str) -> None:
        while True:
            async with self.leaderships.of(name).held() as tenure:
                self.led.add(name)
                try:
                    await tenure.until_lost()
                finally:
                    self.led.discard(name)


async def sessions(admin: "asyncpg.Connection", name: str) -> int:
    return await admin.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = $1",
        name,
    )


async def locks(admin: "asyncpg.Connection") -> int:
    return await admin.fetchval(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )


async def test_all_leaderships_of_a_process_share_one_connection(
    database_url: str, admin: "asyncpg.Connection"
) -> None:
    process = Process(database_url, "one")

    async with running(*(process.lead(name) for name in NAMES)):
        await eventually(lambda: process.led == set(NAMES))
        assert (await sessions(admin, "one"), await locks(admin)) == (1, len(NAMES))

    await eventually(lambda: gone(admin))


async def gone(admin: "asyncpg.Connection") -> bool:
    return (await sessions(admin, "one"), await locks(admin)) == (0, 0)


async def test_a_standby_takes_over_what_is_given_up_and_no_more(database_url: str) -> None:
    one, other = Process(database_url, "one"), Process(database_url, "other")
    async with (
        running(*(one.lead(name) for name in NAMES[1:])) as leading,
        running(one.lead(NAMES[0])),
    ):
        await eventually(lambda: one.led == set(NAMES))
        async with running(*(other.lead(name) for name in NAMES)):
            await asyncio.sleep(0.8)
            assert other.led == set()
            leading[0].cancel()
            await eventually(lambda: other.led == {NAMES[1]})
            assert one.led == set(NAMES) - {NAMES[1]}


async def test_it_excludes_a_leader_on_a_connection_of_its_own(database_url: str) -> None:
    process = Process(database_url, "one")
    async with PostgresLeadership(database_url, NAMES[0]).held(), running(process.lead(NAMES[0])):
        await asyncio.sleep(0.8)
        assert process.led == set()


async def test_one_name_is_led_once_within_a_process_too(database_url: str) -> None:
    process = Process(database_url, "one")
    async with process.leaderships.of(NAMES[0]).held(), running(process.lead(NAMES[0])):
        await asyncio.sleep(0.8)
        assert process.led == set()
    async with patience(), process.leaderships.of(NAMES[0]).held():
        pass


async def test_a_lost_connection_loses_them_all_and_they_are_won_again(
    database_url: str, admin: "asyncpg.Connection"
) -> None:
    process = Process(database_url, "one")
    async with (
        process.leaderships.of("relay").held() as tenure,
        running(*(process.lead(name) for name in NAMES)),
    ):
        await eventually(lambda: process.led == set(NAMES))

        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'one'"
        )

        await asyncio.wait_for(tenure.until_lost(), HEARTBEAT_SECONDS / 2)
        await eventually(lambda: process.led == set(NAMES))
        assert await locks(admin) == len(NAMES), "what nobody leads is not locked"


async def test_waiting_may_be_given_up(database_url: str, admin: "asyncpg.Connection") -> None:
    process = Process(database_url, "one")
    for pause in (0, 0.005, 0.02, 0.05, 0.1):
        waiting = asyncio.create_task(process.lead(NAMES[0]))
        await asyncio.sleep(pause)
        waiting.cancel()
        await asyncio.wait([waiting])

    await eventually(lambda: gone(admin))


async def test_a_standby_survives_an_absent_database() -> None:
    process = Process("postgresql://nobody@127.0.0.1:1/none", "one")

    async with running(process.lead(NAMES[0])) as [standby]:
        await asyncio.sleep(0.8)

        assert not standby.done()
        assert process.led == set()
