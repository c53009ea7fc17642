"""Sealing on the real database: what stands in the tables, and what is left once a key is destroyed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from aigestion.events.catalog import Catalog
from aigestion.events.conversation import UserChat
from aigestion.events.event import ERASED
from aigestion.eventstore.codec import INLINE_FIELD_BYTES_MAX, Codec
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.postgres import PostgresBlobStore, PostgresEventStore, PostgresKeyTable
from aigestion.eventstore.reader import LogReader
from aigestion.eventstore.vault import Vault
from aigestion.kernel.clock import utc_now
from aigestion.kernel.context import Context
from aigestion.kernel.errors import Corrupt, Refused
from aigestion.kernel.ids import new_id
from tests.support.log import migrated, postgres_event_store

CANARY = "xylophonquartz"
CONVERSATION = UUID("01990000-0000-7000-8000-000000000001")
TEXTS = ("my secret is xylophonquartz", f"{CANARY} " * (INLINE_FIELD_BYTES_MAX // 10))


class Log:
    """One process's border of a log in Postgres."""

    def __init__(self, pool: asyncpg.Pool, store: PostgresEventStore, master_key: Path) -> None:
        self.pool = pool
        self.store = store
        self.vault = Vault(PostgresKeyTable(pool), FileMasterKey(master_key))
        self.codec = Codec(Catalog(), self.vault, PostgresBlobStore(pool))
        self.reader = LogReader(store, self.codec)

    async def say(self, text: str, user_id: str = "ana", tenant: str = "demo") -> int:
        event = UserChat(
            conversation_id=CONVERSATION, user_id=user_id, agent="assistant", text=text
        )
        context = Context(tenant=tenant, actor=f"user:{user_id}")
        sealed = await self.codec.seal(event, context, event_id=new_id(), occurred_at=utc_now())
        return await self.store.append([sealed])

    async def heard(self) -> list[str]:
        return [one.data.text for one in await self.reader.read()]

    async def dump(self) -> bytes:
        """Every byte of every table of the log and of the keys."""
        tables = await self.pool.fetch(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname IN ('log', 'keys')"
        )
        rows = [row for (table,) in tables for row in await self.pool.fetch(f"TABLE {table}")]
        values = [value for row in rows for value in row]
        return b"\n".join(v if isinstance(v, bytes) else repr(v).encode() for v in values)


@pytest.fixture
async def url(database_url: str) -> str:
    return await migrated(database_url)


@pytest.fixture
async def log(url: str, tmp_path: Path) -> AsyncIterator[Log]:
    async with (
        asyncpg.create_pool(url, min_size=1, max_size=8) as pool,
        postgres_event_store(url) as store,
    ):
        yield Log(pool, store, tmp_path / "master.key")


def restarted(log: Log, tmp_path: Path) -> Log:
    """Another process with the same database and the same master key."""
    return Log(log.pool, log.store, tmp_path / "master.key")


async def test_another_process_reads_what_was_sealed(log: Log, tmp_path: Path) -> None:
    for text in TEXTS:
        await log.say(text)

    assert await restarted(log, tmp_path).heard() == list(TEXTS)


async def test_no_table_holds_a_word_of_it(log: Log) -> None:
    for text in TEXTS:
        await log.say(text)

    dump = await log.dump()

    assert b"user.chat" in dump
    assert b"demo/user:ana" in dump
    assert CANARY.encode() not in dump


async def test_no_table_holds_an_open_key(log: Log, tmp_path: Path) -> None:
    await log.say("hello")

    with pytest.raises(Corrupt, match="another master key"):
        await Log(log.pool, log.store, tmp_path / "other.key").heard()


async def test_a_destroyed_key_erases_the_past_and_touches_no_event(
    log: Log, tmp_path: Path
) -> None:
    for text in TEXTS:
        await log.say(text)
    await log.say("I stay", user_id="bob")
    await log.say("so do I", tenant="other")
    before = await log.store.read()

    await log.vault.destroy("demo", "user:ana")

    expected = [ERASED, ERASED, "I stay", "so do I"]
    assert await log.heard() == expected
    assert await restarted(log, tmp_path).heard() == expected
    assert await log.store.read() == before
    with pytest.raises(Refused):
        await restarted(log, tmp_path).say("I am back")


async def test_first_uses_in_many_processes_agree_on_one_key(log: Log, tmp_path: Path) -> None:
    processes = [restarted(log, tmp_path) for _ in range(8)]

    await asyncio.gather(*(one.say("at once") for one in processes for _ in range(4)))

    assert await log.pool.fetchval("SELECT count(*) FROM keys.data_keys") == 1
    assert await restarted(log, tmp_path).heard() == ["at once"] * 32
