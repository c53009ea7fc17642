"""Append-only for real: what the runtime role may not do, and what not even the owner can do by mistake."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.support.log import migrated, new_event, postgres_event_store


@pytest.fixture
async def runtime_url(database_url: str) -> str:
    url = await migrated(database_url)
    async with postgres_event_store(url) as store:
        await store.append([new_event("user.chat", "demo/user:ana")])
    return url


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


CHANGES = [
    f"{change} {table}"
    for table in ("log.events", "log.tags", "log.blobs", "log.turn", "log.checkpoints")
    for change in ("DELETE FROM", "TRUNCATE")
] + [
    "UPDATE log.events SET data = ''",
    "UPDATE log.tags SET position = 7",
    "UPDATE log.blobs SET content = ''",
    "UPDATE log.turn SET only_row = true",
    "UPDATE log.checkpoints SET note = ''",
]


@pytest.mark.parametrize("change", CHANGES)
async def test_the_runtime_role_may_not_change_the_log(runtime_url: str, change: str) -> None:
    async with connected(runtime_url) as runtime:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await runtime.execute(change)


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO log.events SELECT 7, occurred_at, recorded_at, gen_random_uuid(), correlation_id,"
        " causation_id, schema_version, type, tenant, actor, tags, data FROM log.events",
        "INSERT INTO log.tags VALUES (1, 1)",
        "INSERT INTO log.turn VALUES (false)",
        "SELECT FROM log.turn FOR UPDATE",
        "ALTER TABLE log.events DISABLE TRIGGER ALL",
        "CREATE FUNCTION log.mine() RETURNS void LANGUAGE sql AS ''",
    ],
)
async def test_the_runtime_role_appends_through_the_function_only(
    runtime_url: str, insert: str
) -> None:
    async with connected(runtime_url) as runtime:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await runtime.execute(insert)


@pytest.mark.parametrize("replication_role", ["origin", "replica"])
@pytest.mark.parametrize("change", CHANGES)
async def test_not_even_the_owner_changes_the_log(
    runtime_url: str, database_url: str, change: str, replication_role: str
) -> None:
    async with connected(database_url) as owner:
        await owner.execute(f"SET session_replication_role = {replication_role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(change)


async def test_rows_are_guarded_even_where_no_statement_trigger_fires(
    runtime_url: str, database_url: str
) -> None:
    async with connected(database_url) as owner:
        await owner.execute("ALTER TABLE log.events DISABLE TRIGGER no_change")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute("UPDATE log.events SET data = ''")


async def test_a_blob_with_another_hash_is_refused(runtime_url: str) -> None:
    async with connected(runtime_url) as runtime:
        with pytest.raises(asyncpg.CheckViolationError):
            await runtime.execute("INSERT INTO log.blobs VALUES (sha256('a'), 'b')")


async def test_a_planted_function_does_not_run_as_the_owner(runtime_url: str) -> None:
    event = new_event()
    row = (
        event.occurred_at,
        event.id,
        event.correlation_id,
        None,
        1,
        "a",
        "demo",
        "system",
        [],
        b"",
    )
    async with connected(runtime_url) as runtime:
        for schema in ("planted", "pg_temp"):
            await runtime.execute(
                "CREATE SCHEMA IF NOT EXISTS planted;"
                f"CREATE FUNCTION {schema}.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS"
                " $$BEGIN RAISE 'planted code ran as %', current_user; END$$"
            )
        await runtime.execute("SET search_path = planted, pg_temp, pg_catalog")

        await runtime.fetchrow("SELECT log.append($1, $2, $3, $4)", [row], [0], [], [])

        assert await runtime.fetchval("SELECT position FROM log.head") == 2
