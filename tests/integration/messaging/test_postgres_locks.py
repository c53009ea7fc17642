"""Locks on a real Postgres: exclusive across processes and within one, gone with their connection."""

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from aigestion.kernel.errors import Unavailable
from aigestion.messaging.postgres_locks import PostgresLocks

Process = Callable[[], PostgresLocks]


@pytest.fixture
async def process(database_url: str) -> AsyncIterator[Process]:
    """Makes what each process has of its own."""
    made: list[PostgresLocks] = []

    def process() -> PostgresLocks:
        made.append(PostgresLocks(database_url))
        return made[-1]

    yield process
    for locks in made:
        await locks.close()


async def test_a_lock_is_held_by_one_process(process: Process) -> None:
    one, other = process(), process()

    async with one.hold("run/1") as first, other.hold("run/1") as second:
        assert (first, second) == (True, False)
    async with other.hold("run/1") as later:
        assert later


async def test_a_process_does_not_get_its_own_lock_again(process: Process) -> None:
    locks, other = process(), process()

    async with locks.hold("run/1") as first:
        async with locks.hold("run/1") as second:
            assert (first, second) == (True, False)
        async with other.hold("run/1") as still_held:
            assert not still_held


async def test_many_locks_share_one_connection(process: Process, database_url: str) -> None:
    locks = process()

    async def hold(name: str) -> bool:
        async with locks.hold(name) as ours:
            await asyncio.sleep(0.05)
            return ours

    held = await asyncio.gather(*(hold(f"run/{n}") for n in range(50)))

    assert all(held)
    connection = await asyncpg.connect(database_url)
    sessions = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aigestion locks'"
        " AND datname = current_database()"
    )
    left = await connection.fetchval(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    await connection.close()
    assert (sessions, left) == (1, 0)


async def test_a_broken_connection_frees_its_locks_and_a_new_one_is_made(
    process: Process, database_url: str
) -> None:
    locks, other = process(), process()
    async with locks.hold("run/1") as ours:
        assert ours
        await _kill_sessions(database_url)

        async with other.hold("run/1") as taken_over:
            assert taken_over

    async with locks.hold("run/2") as again:
        assert again


async def test_a_cancelled_holder_frees_its_lock(process: Process) -> None:
    locks, other = process(), process()
    held = asyncio.Event()

    async def work() -> None:
        async with locks.hold("run/1"):
            held.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await held.wait()
    task.cancel()
    await asyncio.wait([task])

    async with other.hold("run/1") as free:
        assert free


async def test_nobody_to_ask_is_unavailable() -> None:
    locks = PostgresLocks("postgresql://nobody@127.0.0.1:1/none")

    with pytest.raises(Unavailable):
        async with locks.hold("run/1"):
            pass


async def _kill_sessions(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'aigestion locks' AND datname = current_database()"
    )
    await connection.close()
    await asyncio.sleep(0.1)
