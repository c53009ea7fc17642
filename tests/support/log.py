"""A migrated log to test against, and named example events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aigestion.eventstore.migrate import migrate
from aigestion.eventstore.pool import opened_pool
from aigestion.eventstore.port import NewEvent
from aigestion.eventstore.postgres import PostgresEventStore
from aigestion.kernel.ids import new_id

RUNTIME_ROLE = "aigestion_runtime"


async def migrated(owner_url: str) -> str:
    """Migrate the owner's database; returns the runtime role's URL of it."""
    await migrate(owner_url, RUNTIME_ROLE, None)
    return owner_url.replace("postgres@", f"{RUNTIME_ROLE}@", 1)


@asynccontextmanager
async def postgres_event_store(runtime_url: str) -> AsyncIterator[PostgresEventStore]:
    """A started store with a small pool of its own."""
    async with opened_pool(runtime_url, connections_max=4) as pool:
        store = PostgresEventStore(pool, runtime_url)
        await store.start()
        yield store
        await store.close()


def new_event(type_: str = "user.chat", *tags: str, **fields: Any) -> NewEvent:
    """An event of tenant `demo`; every field can be set."""
    return NewEvent(
        **{
            "id": new_id(),
            "type": type_,
            "schema_version": 1,
            "tags": tags,
            "tenant": "demo",
            "actor": "user:ana",
            "correlation_id": new_id(),
            "causation_id": None,
            "occurred_at": datetime(2026, 5, 1, 12, 30, 0, 123456, tzinfo=UTC),
            "data": b'{"text":"hello"}',
        }
        | fields
    )
