"""A border of the log with everything in memory, and what its tests say with it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from aigestion.events.catalog import Catalog
from aigestion.events.conversation import UserChat
from aigestion.events.event import Event
from aigestion.events.knowledge import DocumentAdded
from aigestion.events.recorded import Recorded
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.memory import MemoryBlobStore, MemoryKeyTable
from aigestion.eventstore.port import NewEvent, SequencedEvent
from aigestion.eventstore.vault import Vault
from aigestion.kernel.context import Context

CONVERSATION = UUID("01990000-0000-7000-8000-000000000001")
EVENT = UUID("01990000-0000-7000-8000-000000000003")
DOCUMENT = UUID("01990000-0000-7000-8000-00000000000d")
NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, UTC)
DEMO = Context(
    tenant="demo",
    actor="user:ana",
    correlation_id=UUID("01990000-0000-7000-8000-0000000000c0"),
    causation_id=UUID("01990000-0000-7000-8000-0000000000ca"),
)


class Border:
    """A codec with its vault, its keys and its blobs within reach."""

    def __init__(self, directory: Path, catalog: Catalog | None = None) -> None:
        self.keys = MemoryKeyTable()
        self.blobs = MemoryBlobStore()
        self.vault = Vault(self.keys, FileMasterKey(directory / "master.key"))
        self.codec = Codec(catalog or Catalog(), self.vault, self.blobs)

    async def seal(
        self, event: Event, context: Context = DEMO, event_id: UUID = EVENT, **more: Any
    ) -> NewEvent:
        return await self.codec.seal(event, context, event_id=event_id, occurred_at=NOON, **more)

    async def open(
        self, sealed: NewEvent, position: int = 7, catalog: Catalog | None = None
    ) -> Recorded[Any]:
        codec = Codec(catalog, self.vault, self.blobs) if catalog else self.codec
        return await codec.open(SequencedEvent(position=position, recorded_at=NOON, event=sealed))


def chat(text: str = "hello", user_id: str = "ana") -> UserChat:
    return UserChat(conversation_id=CONVERSATION, user_id=user_id, agent="assistant", text=text)


def document(text: str = "Positions are dense.", title: str = "Architecture") -> DocumentAdded:
    return DocumentAdded(
        document_id=DOCUMENT,
        title=title,
        media_type="text/plain",
        source=None,
        text=text,
        content_hash="0123456789abcdef",
    )
