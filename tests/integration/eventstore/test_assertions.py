"""Start-up assertions: a sound database passes, and every fault is told in a sentence."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.postgres import SETTINGS, EmbeddedPostgres
from aigestion.eventstore import assertions
from aigestion.eventstore.assertions import assert_safe
from aigestion.eventstore.migrate import migrate
from aigestion.kernel.errors import Misconfigured
from tests.support.log import RUNTIME_ROLE, migrated, new_event, postgres_event_store


async def faults(url: str) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        await assert_safe(url)
    return list(caught.value.details["errors"])


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_a_sound_log_passes(database_url: str) -> None:
    url = await migrated(database_url)
    async with postgres_event_store(url) as store:
        await assert_safe(url)
        await store.append([new_event() for _ in range(assertions.TAIL_CHECKED)])
        await store.append([new_event()])

        await assert_safe(url)


async def test_a_database_without_a_log_is_told(database_url: str) -> None:
    assert await faults(database_url) == [
        "The database holds no log: run the migration as its owner."
    ]


async def test_an_older_schema_is_told(database_url: str, owner: asyncpg.Connection) -> None:
    url = await migrated(database_url)
    await owner.execute("DELETE FROM log.migrations WHERE version > 1")
    await owner.execute("DROP TABLE log.checkpoints")

    [fault] = await faults(url)

    assert "schema version 1" in fault


async def test_a_superuser_is_told(database_url: str) -> None:
    await migrated(database_url)

    [fault] = await faults(database_url)

    assert "superuser" in fault


@pytest.mark.parametrize("privilege", ["UPDATE", "DELETE", "TRUNCATE"])
@pytest.mark.parametrize("relation", ["log.events", "log.tags", "log.blobs", "log.checkpoints"])
async def test_a_role_that_may_change_the_log_is_told(
    database_url: str, owner: asyncpg.Connection, privilege: str, relation: str
) -> None:
    url = await migrated(database_url)
    await owner.execute(f"GRANT {privilege} ON {relation} TO {RUNTIME_ROLE}")

    [fault] = await faults(url)

    assert f"{privilege} on {relation}" in fault


async def test_a_trigger_that_is_off_is_told(database_url: str, owner: asyncpg.Connection) -> None:
    url = await migrated(database_url)
    await owner.execute("ALTER TABLE log.tags DISABLE TRIGGER no_row_change")
    await owner.execute("ALTER TABLE log.events ENABLE TRIGGER no_change")

    [fault] = await faults(url)

    assert "log.events, log.tags" in fault


async def test_a_hole_near_the_head_is_told(database_url: str, owner: asyncpg.Connection) -> None:
    url = await migrated(database_url)
    async with postgres_event_store(url) as store:
        await store.append([new_event() for _ in range(10)])
    await owner.execute("ALTER TABLE log.events DISABLE TRIGGER USER")
    await owner.execute("DELETE FROM log.events WHERE position IN (1, 7)")
    await owner.execute("ALTER TABLE log.events ENABLE ALWAYS TRIGGER no_change")
    await owner.execute("ALTER TABLE log.events ENABLE ALWAYS TRIGGER no_row_change")

    [fault] = await faults(url)

    assert fault.startswith("2 of the log's last")


async def test_tags_hashed_elsewhere_are_told(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assertions, "_TAG_HASH_SAMPLE", ("demo/user:ana", 1))

    [fault] = await faults(await migrated(database_url))

    assert "hashes tags differently" in fault


async def test_a_server_that_is_too_old_is_told(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assertions, "SERVER_VERSION_MIN", 99)

    [fault] = await faults(await migrated(database_url))

    assert "too old" in fault


async def test_asynchronous_commit_of_the_role_is_told(
    database_url: str, owner: asyncpg.Connection
) -> None:
    url = await migrated(database_url)
    name = url.rpartition("/")[2]
    await owner.execute(
        f'ALTER ROLE {RUNTIME_ROLE} IN DATABASE "{name}" SET synchronous_commit = off'
    )

    [fault] = await faults(url)

    assert "synchronous_commit is off" in fault


async def test_another_encoding_is_told(postgres_admin_url: str) -> None:
    admin = await asyncpg.connect(postgres_admin_url)
    await admin.execute(
        "CREATE DATABASE latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc"
    )
    try:
        told = await faults(postgres_admin_url.rsplit("/", 1)[0] + "/latin1")
    finally:
        await admin.execute("DROP DATABASE latin1 WITH (FORCE)")
        await admin.close()

    assert any("LATIN1" in fault for fault in told)


@pytest.fixture(scope="module")
def careless_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The owner's and the runtime role's URL of a server that would lose events in a crash."""
    data_dir = DataDir(Path(tmp_path_factory.mktemp("careless")) / "data")
    loop = asyncio.new_event_loop()
    with data_dir.locked():
        server = EmbeddedPostgres(
            data_dir,
            settings={**SETTINGS, "fsync": "off", "full_page_writes": "off"},
            initdb_options=("--no-sync", "--no-data-checksums"),
        )
        loop.run_until_complete(server.start())
        yield server.owner_url, server.runtime_url
        loop.run_until_complete(server.stop())
    loop.close()


async def test_a_server_that_would_lose_events_is_told(careless_server: tuple[str, str]) -> None:
    owner_url, runtime_url = careless_server
    user, password = runtime_url.split("//")[1].split("@")[0].split(":")
    await migrate(owner_url, user, password)

    checksums, fsync, full_page_writes = await faults(runtime_url)

    assert "checksums" in checksums
    assert fsync.startswith("fsync is off")
    assert full_page_writes.startswith("full_page_writes is off")
