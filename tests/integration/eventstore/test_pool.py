"""Connections are given back as they are: one round trip a query, and nobody finds another's transaction."""

import asyncio

import asyncpg

from aigestion.eventstore.pool import opened_pool

_STATEMENTS = "SELECT query FROM pg_stat_activity WHERE pid = $1"


async def test_giving_a_connection_back_says_nothing_to_the_server(database_url: str) -> None:
    watching = await asyncpg.connect(database_url)
    async with opened_pool(database_url, connections_max=1) as pool:
        pid = await pool.fetchval("SELECT pg_backend_pid()")
        last = await watching.fetchval(_STATEMENTS, pid)
    await watching.close()

    assert last == "SELECT pg_backend_pid()"


async def test_a_transaction_left_open_is_rolled_back(database_url: str) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    async with opened_pool(database_url, connections_max=1) as pool:
        async with pool.acquire() as connection:
            await connection.execute("CREATE TABLE kept (n integer)")
            await connection.execute("BEGIN")
            await connection.execute("INSERT INTO kept VALUES (1)")

        async with pool.acquire() as connection:
            assert not connection.is_in_transaction()
            assert await connection.fetchval("SELECT count(*) FROM kept") == 0
