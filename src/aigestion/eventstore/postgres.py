"""Log, blob store, key table and checkpoints in PostgreSQL."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from aigestion.eventstore import sql
from aigestion.eventstore.append_group import query_rows
from aigestion.eventstore.appender import RETRY_AFTER_SECONDS, Appender
from aigestion.eventstore.keyring import WrappedKey
from aigestion.eventstore.offer import check_offer
from aigestion.eventstore.pool import Losses
from aigestion.eventstore.port import NewEvent, SequencedEvent, StoredCheckpoint
from aigestion.kernel.errors import Corrupt, Unavailable
from aigestion.kernel.query import EVERYTHING, AppendCondition, Query
from aigestion.postgres import UNREACHED

_READ = sql.statement("read")
_FIND = sql.statement("find")
_HEAD = "SELECT position FROM log.head"
_PUT_BLOB = "INSERT INTO log.blobs (hash, content) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_GET_BLOB = "SELECT content FROM log.blobs WHERE hash = $1"
_CREATE_KEY = sql.statement("create_key")
_FIND_KEY = "SELECT key_id, wrapped FROM keys.data_keys WHERE tenant = $1 AND subject = $2"
_DESTROY_KEY = sql.statement("destroy_key")
_ADD_CHECKPOINT = sql.statement("add_checkpoint")
_READ_CHECKPOINTS = sql.statement("read_checkpoints")
_LAST_CHECKPOINT = sql.statement("last_checkpoint")


class PostgresEventStore:
    """An `EventStore` that appends in groups over a connection of its own and reads over the pool."""

    def __init__(self, pool: asyncpg.Pool, url: str, losses: Losses | None = None) -> None:
        """`url` is the runtime role's, direct to Postgres: the appender keeps sessions of its own on it."""
        self.on_append: list[Callable[[int], None]] = []
        """Called with the new head after each commit of this process; must not block or raise."""
        self._pool = pool
        self._appender = Appender(url, self.on_append, losses)

    async def start(self) -> None:
        """Connect the appender; raises what asyncpg raises."""
        await self._appender.start()

    async def close(self) -> None:
        """Commit what waits and disconnect the appender. The pool stays its owner's."""
        await self._appender.close()

    async def append(self, events: Sequence[NewEvent], *conditions: AppendCondition) -> int:
        """As the port says; `InvalidInput` for an event id the log already has."""
        check_offer(events, conditions)
        return await self._appender.append(events, conditions)

    async def read(
        self, query: Query = EVERYTHING, *, after: int = 0, limit: int | None = None
    ) -> list[SequencedEvent]:
        """As the port says."""
        items = query_rows(query) if query.items else []
        async with _reaching_postgres():
            rows = await self._pool.fetch(_READ, items, after, limit)
        return [_sequenced(row) for row in rows]

    async def find(self, event_id: UUID) -> SequencedEvent | None:
        """As the port says."""
        async with _reaching_postgres():
            row = await self._pool.fetchrow(_FIND, event_id)
        return None if row is None else _sequenced(row)

    async def head(self) -> int:
        """As the port says."""
        async with _reaching_postgres():
            return int(await self._pool.fetchval(_HEAD))


class PostgresBlobStore:
    """A `BlobStore` in the table `log.blobs`, which checks every hash itself."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def put(self, content: bytes) -> str:
        """As the port says."""
        digest = hashlib.sha256(content).digest()
        async with _reaching_postgres():
            await self._pool.execute(_PUT_BLOB, digest, content)
        return digest.hex()

    async def get(self, content_hash: str) -> bytes:
        """As the port says."""
        async with _reaching_postgres():
            content = await self._pool.fetchval(_GET_BLOB, bytes.fromhex(content_hash))
        if content is None:
            raise Corrupt(f"The blob {content_hash} is missing.")
        if hashlib.sha256(content).hexdigest() != content_hash:
            raise Corrupt(f"The blob {content_hash} does not match its hash.")
        return bytes(content)


class PostgresKeyTable:
    """A `KeyTable` in the table `keys.data_keys`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def create(self, tenant: str, subject: str, key: WrappedKey) -> WrappedKey:
        """As the port says."""
        async with _reaching_postgres():
            row = await self._pool.fetchrow(_CREATE_KEY, tenant, subject, key.key_id, key.wrapped)
        if row is not None:
            return key
        standing = await self.find(tenant, subject)
        assert standing is not None  # rows of this table are never deleted
        return standing

    async def find(self, tenant: str, subject: str) -> WrappedKey | None:
        """As the port says."""
        async with _reaching_postgres():
            row = await self._pool.fetchrow(_FIND_KEY, tenant, subject)
        return None if row is None else WrappedKey(row["key_id"], row["wrapped"])

    async def destroy(self, tenant: str, subject: str) -> None:
        """As the port says."""
        async with _reaching_postgres():
            await self._pool.execute(_DESTROY_KEY, tenant, subject)


class PostgresCheckpointStore:
    """A `CheckpointStore` in the table `log.checkpoints`, which only grows."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(self, size: int, root: bytes, leaves: bytes, peaks: bytes, note: str) -> bool:
        """As the port says."""
        async with _reaching_postgres():
            added = await self._pool.fetchval(_ADD_CHECKPOINT, size, root, leaves, peaks, note)
        return added is not None

    async def read(self, *, after: int = 0, limit: int) -> list[StoredCheckpoint]:
        """As the port says."""
        async with _reaching_postgres():
            rows = await self._pool.fetch(_READ_CHECKPOINTS, after, limit)
        return [StoredCheckpoint(**row) for row in rows]

    async def last(self) -> StoredCheckpoint | None:
        """As the port says."""
        async with _reaching_postgres():
            row = await self._pool.fetchrow(_LAST_CHECKPOINT)
        return None if row is None else StoredCheckpoint(**row)


def _sequenced(row: Any) -> SequencedEvent:
    """A row of `read`, taken apart in its order: by name costs twice as much, and this is done a million times."""
    (position, occurred_at, recorded_at, id_, correlation_id, causation_id, *rest) = row
    schema_version, type_, tenant, actor, tags, data = rest
    return SequencedEvent(
        position=position,
        recorded_at=recorded_at,
        event=NewEvent(
            id=id_,
            type=type_,
            schema_version=schema_version,
            tags=tuple(tags),
            tenant=tenant,
            actor=actor,
            correlation_id=correlation_id,
            causation_id=causation_id,
            occurred_at=occurred_at,
            data=data,
        ),
    )


@asynccontextmanager
async def _reaching_postgres() -> AsyncIterator[None]:
    """Says `Unavailable` for what is not the caller's fault."""
    try:
        yield
    except UNREACHED as error:
        raise Unavailable(
            f"The log's database does not answer: {error}",
            engine="postgres",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        ) from error
