"""The checker's own hash of an event, computed by Postgres, is the one that is signed."""

from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from aigestion.audit.leaf import leaf_of
from aigestion.prove.signed import _LEAVES
from tests.support.log import migrated, new_event, postgres_event_store

EVENTS = [
    new_event(),
    new_event("user.action", "demo/user:ána", "demo/", tenant="dé", actor="", causation_id=UUID(int=7)),
    new_event(data=bytes(range(256)), schema_version=70_000),
    new_event(occurred_at=datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    new_event(occurred_at=datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
]  # fmt: skip


async def test_both_come_to_the_same(database_url: str) -> None:
    async with postgres_event_store(await migrated(database_url)) as store:
        await store.append(EVENTS)
        expected = [leaf_of(stored) for stored in await store.read()]

    owner = await asyncpg.connect(database_url)
    found = [row["leaf"] for row in await owner.fetch(_LEAVES)]
    await owner.close()

    assert found == expected
