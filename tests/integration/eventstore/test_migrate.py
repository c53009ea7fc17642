"""The migration: repeatable, safe to run at once, and refusing what it does not know."""

import asyncio

import asyncpg
import pytest

from aigestion.eventstore import sql
from aigestion.eventstore.migrate import migrate
from aigestion.kernel.errors import Misconfigured
from tests.support.log import RUNTIME_ROLE, migrated, new_event, postgres_event_store


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    async with postgres_event_store(await migrated(database_url)) as store:
        await store.append([new_event()])

        await migrated(database_url)

        assert await store.append([new_event()]) == 2


async def test_processes_that_migrate_at_once_queue_up(database_url: str) -> None:
    await asyncio.gather(*(migrated(database_url) for _ in range(5)))

    owner = await asyncpg.connect(database_url)
    versions = await owner.fetch("SELECT version FROM log.migrations ORDER BY version")
    await owner.close()
    assert [row["version"] for row in versions] == [version for version, _, _ in sql.migrations()]


async def test_a_database_newer_than_the_program_is_refused(database_url: str) -> None:
    await migrated(database_url)
    owner = await asyncpg.connect(database_url)
    await owner.execute("INSERT INTO log.migrations (version, name) VALUES (9999, 'of tomorrow')")
    await owner.close()

    with pytest.raises(Misconfigured, match="9999"):
        await migrated(database_url)


async def test_a_failing_script_leaves_nothing_behind(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = sql.migrations()
    version = known[-1][0] + 1
    broken = (version, "broken", "CREATE TABLE log.half_done (); SELECT 1 / 0")
    monkeypatch.setattr(sql, "migrations", lambda: [*known, broken])

    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrated(database_url)

    owner = await asyncpg.connect(database_url)
    assert await owner.fetchval("SELECT max(version) FROM log.migrations") == version - 1
    assert await owner.fetchval("SELECT to_regclass('log.half_done')") is None
    await owner.close()


async def test_role_names_and_passwords_are_taken_literally(database_url: str) -> None:
    role, password = 'we"ird; role', "it's; --"
    try:
        await migrate(database_url, role, password)

        owner = await asyncpg.connect(database_url)
        stored = await owner.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = $1", role)
        assert stored.startswith("SCRAM-SHA-256$")
        runtime = await asyncpg.connect(database_url, user=role)
        assert await runtime.fetchval("SELECT position FROM log.head") == 0
        await runtime.close()
    finally:
        await owner.execute('DROP OWNED BY "we""ird; role"')
        await owner.execute('DROP ROLE "we""ird; role"')
        await owner.close()


async def test_the_runtime_role_makes_schemas_of_its_own(database_url: str) -> None:
    runtime = await asyncpg.connect(await migrated(database_url))

    await runtime.execute("CREATE SCHEMA conversations_v1")

    owner = await runtime.fetchval(
        "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'conversations_v1'"
    )
    await runtime.close()
    assert owner == RUNTIME_ROLE
