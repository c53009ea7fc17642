"""The port of the log, in the words of `eventsourcing.dcb.api`, with our envelope."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from aigestion.kernel.query import EVERYTHING, AppendCondition, Query


class NewEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event as it is offered to the log: serialised, sealed, its tags scoped to the tenant."""

    id: UUID
    type: str
    schema_version: int
    tags: tuple[str, ...]
    tenant: str
    actor: str
    correlation_id: UUID
    causation_id: UUID | None
    occurred_at: datetime
    data: bytes
    """Exact JSON bytes: what is stored is what was written, to the byte (hashes are taken over it)."""


class SequencedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event as it stands in the log."""

    position: int
    recorded_at: datetime
    event: NewEvent


class EventStore(Protocol):
    """An append-only log of events with dense positions 1, 2, 3… in commit order (law 2)."""

    async def append(self, events: Sequence[NewEvent], *conditions: AppendCondition) -> int:
        """Append all events or none; returns the position of the last.

        The events get adjacent positions. Raises `AppendConditionFailed` if any condition fails,
        `Unavailable` if the database does not answer (the outcome is then unknown).
        """
        ...

    async def read(
        self, query: Query = EVERYTHING, *, after: int = 0, limit: int | None = None
    ) -> list[SequencedEvent]:
        """Events that match, in order of position, later than `after`."""
        ...

    async def find(self, event_id: UUID) -> SequencedEvent | None:
        """The event with this id, of whatever tenant; None if there is none."""
        ...

    async def head(self) -> int:
        """The position of the last event; 0 for an empty log."""
        ...


class BlobStore(Protocol):
    """Content-addressed bytes, for what is too large for a row. Never changed, never overwritten."""

    async def put(self, content: bytes) -> str:
        """Store, and return the lower-case hex SHA-256 of the content. Storing again is harmless."""
        ...

    async def get(self, content_hash: str) -> bytes:
        """The content; `Corrupt` if it is missing or does not match its hash."""
        ...


class StoredCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A signed checkpoint as it is kept; `audit` makes and judges them."""

    size: int
    """The events it covers: those at positions 1 to `size`."""
    root: bytes
    leaves: bytes
    """The hashes of the last of these events, 32 bytes each: as many as were new to who signed."""
    peaks: bytes
    """The roots of the complete subtrees, 32 bytes each: enough to go on from here."""
    note: str
    made_at: datetime


class CheckpointStore(Protocol):
    """Where signed checkpoints of the log are kept: added to and read, like the log."""

    async def add(self, size: int, root: bytes, leaves: bytes, peaks: bytes, note: str) -> bool:
        """Keep it; False if there is one of that size, which stays."""
        ...

    async def read(self, *, after: int = 0, limit: int) -> list[StoredCheckpoint]:
        """Those of a larger size than `after`, in order of size."""
        ...

    async def last(self) -> StoredCheckpoint | None:
        """The one of the largest size."""
        ...
