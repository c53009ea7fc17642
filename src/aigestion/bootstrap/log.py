"""The log and all that belongs to it, opened on a database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from aigestion.events.catalog import Catalog
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.pool import CONNECT_TIMEOUT_SECONDS, Losses, opened_pool
from aigestion.eventstore.postgres import PostgresBlobStore, PostgresEventStore, PostgresKeyTable
from aigestion.eventstore.reader import LogReader
from aigestion.eventstore.vault import Vault
from aigestion.kernel.errors import Misconfigured

_ANY_KEY = "SELECT wrapped FROM keys.data_keys WHERE wrapped IS NOT NULL LIMIT 1"


@dataclass(frozen=True, kw_only=True)
class Log:
    """One log. `url` is the runtime role's."""

    url: str
    catalog: Catalog
    pool: "asyncpg.Pool[Any]"
    store: PostgresEventStore
    blobs: PostgresBlobStore
    vault: Vault
    codec: Codec
    reader: LogReader
    losses: Losses


@asynccontextmanager
async def opened_log(
    url: str, master_key: Path, connections_max: int, *, catalog: Catalog, appending: bool = True
) -> AsyncIterator[Log]:
    """Open the log inside the block. Without `appending` it may only be read."""
    losses = Losses()
    async with opened_pool(url, connections_max=connections_max, losses=losses) as pool:
        wrapped = await _any_key(pool)
        if wrapped is not None:
            _refuse_lost_key(master_key)
        key = FileMasterKey(master_key)
        if wrapped is not None and not key.wrapped(wrapped):
            raise Misconfigured(
                f"The log holds what another master key than {master_key} sealed: every process "
                "needs the same file."
            )
        store = PostgresEventStore(pool, url, losses)
        blobs = PostgresBlobStore(pool)
        vault = Vault(PostgresKeyTable(pool), key)
        codec = Codec(catalog, vault, blobs)
        if appending:
            await store.start()
        try:
            yield Log(
                url=url,
                catalog=catalog,
                pool=pool,
                store=store,
                blobs=blobs,
                vault=vault,
                codec=codec,
                reader=LogReader(store, codec),
                losses=losses,
            )
        finally:
            if appending:
                await store.close()


async def _any_key(pool: "asyncpg.Pool[Any]") -> bytes | None:
    """The first question of a start: one that nobody answers ends it soon, and whoever supervises tries again."""
    async with pool.acquire() as connection:
        try:
            wrapped: bytes | None = await connection.fetchval(
                _ANY_KEY, timeout=CONNECT_TIMEOUT_SECONDS
            )
        except TimeoutError:
            connection.terminate()  # else giving it back would wait for the answer
            raise
        return wrapped


def _refuse_lost_key(master_key: Path) -> None:
    """A fresh master key beside old data keys would open nothing, and hide that the old one is lost."""
    if not master_key.exists():
        raise Misconfigured(
            f"The master key {master_key} is missing, and the log holds what it sealed: put it back."
        )
