"""Rebuilds `conversations` in a process of its own, slowly, and says how far it is: to be killed."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

import aigestion.projections.filling as limits
import aigestion.projections.pace as paces
from aigestion.events.catalog import Catalog
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.postgres import PostgresEventStore, PostgresKeyTable
from aigestion.eventstore.vault import Vault
from aigestion.messaging.memory import MemoryBroker
from aigestion.messaging.postgres_locks import PostgresLocks
from aigestion.messaging.subscription import Subscription
from aigestion.projections.conversations import conversations
from aigestion.projections.progress import Progress
from aigestion.projections.read_model import ReadModel
from aigestion.projections.stages import Stage
from aigestion.readstores.postgres.quarantine import PostgresQuarantine
from aigestion.readstores.postgres.store import PostgresReadStore
from aigestion.readstores.postgres.views import PostgresViewRegistry
from tests.support.event_log import EventLog

EVENTS_MAX = 20
PAUSE_SECONDS = 0.05


class SlowStore(PostgresReadStore):
    """Takes its time, as a large log would."""

    async def apply(self, *arguments: object, **options: object) -> None:  # type: ignore[override]
        await super().apply(*arguments, **options)  # type: ignore[arg-type]
        await asyncio.sleep(PAUSE_SECONDS)


class Side:
    """A read model in Postgres, and the log it is made from."""

    def __init__(self, pool: asyncpg.Pool, url: str, master_key: Path, *, slow: bool) -> None:
        vault = Vault(PostgresKeyTable(pool), FileMasterKey(master_key))
        self.log = EventLog(PostgresEventStore(pool, url), vault=vault)
        self.registry = PostgresViewRegistry(pool)
        self.store = SlowStore(pool) if slow else PostgresReadStore(pool)
        self.locks = PostgresLocks(url)
        self.progress = Progress(["conversations"])
        self.subscription = Subscription(MemoryBroker(), self.log.reader, Catalog())
        self.model = ReadModel(
            conversations,
            self.store,
            self.registry,
            self.log.reader,
            self.subscription,
            self.progress,
            PostgresQuarantine(pool),
            self.locks,
        )


@asynccontextmanager
async def side(url: str, master_key: Path, *, slow: bool = False) -> AsyncIterator[Side]:
    """What a process has of its own."""
    async with asyncpg.create_pool(url, min_size=1, max_size=6) as pool:
        one = Side(pool, url, master_key, slow=slow)
        await one.log.store.start()  # type: ignore[attr-defined]
        try:
            yield one
        finally:
            await one.log.store.close()  # type: ignore[attr-defined]
            await one.locks.close()


async def main(url: str, master_key: Path) -> None:
    paces.PAGE_EVENTS_MAX = limits.BATCH_EVENTS_MAX = EVENTS_MAX

    def say(position: int, _head: int, stage: Stage) -> None:
        print(f"{stage} {position}", flush=True)

    async with side(url, master_key, slow=True) as one:
        await one.model.rebuild(say)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
