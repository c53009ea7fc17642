"""A log to append to and to read: the real codec and reader over any event store."""

import tempfile
from pathlib import Path

from aigestion.events.catalog import Catalog
from aigestion.events.event import Event
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.memory import MemoryBlobStore, MemoryEventStore, MemoryKeyTable
from aigestion.eventstore.port import EventStore
from aigestion.eventstore.reader import LogReader
from aigestion.eventstore.vault import Vault
from aigestion.kernel.clock import utc_now
from aigestion.kernel.context import Context
from aigestion.kernel.ids import new_id
from tests.support.history import chat


class EventLog:
    """Events go in as a dispatcher would put them, without a decision."""

    def __init__(
        self,
        store: EventStore | None = None,
        catalog: Catalog | None = None,
        vault: Vault | None = None,
    ) -> None:
        self.store = store or MemoryEventStore()
        self.catalog = catalog or Catalog()
        self.vault = vault or _vault()
        self._codec = Codec(self.catalog, self.vault, MemoryBlobStore())
        self.reader = LogReader(self.store, self._codec)

    def known_to(self, catalog: Catalog) -> "EventLog":
        """The same log, as a program with another catalog sees it."""
        return EventLog(self.store, catalog, self.vault)

    async def record(self, *events: Event, tenant: str = "demo", actor: str = "user:ana") -> int:
        """Append adjacent events; returns the position of the last."""
        context = Context(tenant=tenant, actor=actor)
        now = utc_now()
        sealed = [
            await self._codec.seal(event, context, event_id=new_id(), occurred_at=now)
            for event in events
        ]
        return await self.store.append(sealed)

    async def record_chats(self, count: int, per_append: int = 100) -> int:
        """Append `count` small events; returns the head."""
        for start in range(0, count, per_append):
            numbers = range(start, min(start + per_append, count))
            await self.record(*(chat(f"message {number}") for number in numbers))
        return await self.reader.head()


def _vault() -> Vault:
    with tempfile.TemporaryDirectory() as directory:
        return Vault(MemoryKeyTable(), FileMasterKey(Path(directory) / "master.key"))
