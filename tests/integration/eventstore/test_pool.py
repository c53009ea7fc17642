"""Connections are given back as they are: one round trip a query, and nobody finds another's transaction."""

import asyncio

import asyncpg
import pytest

from aigestion.eventstore import pool as pools
from aigestion.eventstore.pool import opened_pool
from tests.support.network import network_to
from tests.support.tasks import patience

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


async def test_connections_that_a_network_forgot_cost_one_caller_some_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "QUIET_SECONDS_MAX", 0.0)
    monkeypatch.setattr(pools, "PROBE_SECONDS_MAX", 0.3)
    monkeypatch.setattr(pools, "COMMAND_TIMEOUT_SECONDS", 20.0)
    async with (
        patience(),
        network_to(database_url) as (wire, url),
        opened_pool(url, connections_max=2) as pool,
    ):
        async with pool.acquire() as one, pool.acquire() as other:
            before = {one.get_server_pid(), other.get_server_pid()}
        wire.forget()

        with pytest.raises(TimeoutError):
            await pool.fetchval("SELECT 1")
        async with pool.acquire() as one, pool.acquire() as other:
            assert before.isdisjoint({one.get_server_pid(), other.get_server_pid()})


async def test_connections_that_a_network_forgot_do_not_hold_up_the_end(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "CLOSE_SECONDS_MAX", 0.3)
    now = asyncio.get_running_loop().time
    async with network_to(database_url) as (wire, url):
        async with opened_pool(url, connections_max=1) as pool:
            await pool.fetchval("SELECT 1")
            wire.forget()
            began = now()

        assert now() - began < 2.0


async def test_a_connection_that_was_used_lately_is_not_asked_first(database_url: str) -> None:
    watching = await asyncpg.connect(database_url)
    async with opened_pool(database_url, connections_max=1) as pool:
        pid = await pool.fetchval("SELECT pg_backend_pid()")
        async with pool.acquire():
            last = await watching.fetchval(_STATEMENTS, pid)
    await watching.close()

    assert last == "SELECT pg_backend_pid()"
