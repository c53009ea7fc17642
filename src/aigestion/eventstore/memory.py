"""Log, blob store, key table and checkpoints in memory, for tests: same behaviour, no durability."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

import msgspec

from aigestion.eventstore.keyring import WrappedKey
from aigestion.eventstore.offer import check_offer
from aigestion.eventstore.port import NewEvent, SequencedEvent, StoredCheckpoint
from aigestion.kernel.errors import AppendConditionFailed, Corrupt, InvalidInput
from aigestion.kernel.query import EVERYTHING, AppendCondition, Query


class MemoryEventStore:
    """An `EventStore` in a list: position n is element n - 1."""

    def __init__(self) -> None:
        self.on_append: list[Callable[[int], None]] = []
        """Called with the new head after every append."""
        self._events: list[SequencedEvent] = []
        self._ids: set[UUID] = set()

    async def append(self, events: Sequence[NewEvent], *conditions: AppendCondition) -> int:
        """As the port says; `InvalidInput` for an event id the log already has."""
        check_offer(events, conditions)
        ids = {event.id for event in events}
        if any(self._first(c.fail_if_events_match, c.after) is not None for c in conditions):
            raise AppendConditionFailed("An event that the append condition forbids is in the log.")
        if len(ids) < len(events) or not self._ids.isdisjoint(ids):
            raise InvalidInput("The log already has an event with this id.")
        now = datetime.now(UTC)
        for event in events:
            distinct = msgspec.structs.replace(event, tags=tuple(dict.fromkeys(event.tags)))
            position = len(self._events) + 1
            self._events.append(SequencedEvent(position=position, recorded_at=now, event=distinct))
        self._ids |= ids
        for wake in self.on_append:
            wake(len(self._events))
        return len(self._events)

    async def read(
        self, query: Query = EVERYTHING, *, after: int = 0, limit: int | None = None
    ) -> list[SequencedEvent]:
        """As the port says."""
        found = (one for one in self._events[max(after, 0) :] if matches(query, one.event))
        return list(islice(found, limit))

    async def find(self, event_id: UUID) -> SequencedEvent | None:
        """As the port says."""
        return next((one for one in self._events if one.event.id == event_id), None)

    async def head(self) -> int:
        """As the port says."""
        return len(self._events)

    def _first(self, query: Query, after: int) -> SequencedEvent | None:
        return next(
            (one for one in self._events[max(after, 0) :] if matches(query, one.event)), None
        )


def matches(query: Query, event: NewEvent) -> bool:
    """Whether any item of the query matches the event; no items match everything."""
    return not query.items or any(
        (not item.types or event.type in item.types)
        and set(item.tags) <= set(event.tags)
        and item.tenant in (None, event.tenant)
        for item in query.items
    )


class MemoryBlobStore:
    """A `BlobStore` in a dict."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    async def put(self, content: bytes) -> str:
        """As the port says."""
        content_hash = hashlib.sha256(content).hexdigest()
        self._contents[content_hash] = content
        return content_hash

    async def get(self, content_hash: str) -> bytes:
        """As the port says."""
        content = self._contents.get(content_hash)
        if content is None:
            raise Corrupt(f"The blob {content_hash} is missing.")
        return content


class MemoryKeyTable:
    """A `KeyTable` in a dict."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], WrappedKey] = {}

    async def create(self, tenant: str, subject: str, key: WrappedKey) -> WrappedKey:
        """As the port says."""
        return self._keys.setdefault((tenant, subject), key)

    async def find(self, tenant: str, subject: str) -> WrappedKey | None:
        """As the port says."""
        return self._keys.get((tenant, subject))

    async def destroy(self, tenant: str, subject: str) -> None:
        """As the port says."""
        if key := self._keys.get((tenant, subject)):
            self._keys[tenant, subject] = WrappedKey(key.key_id, None)


class MemoryCheckpointStore:
    """A `CheckpointStore` in a dict."""

    def __init__(self) -> None:
        self._kept: dict[int, StoredCheckpoint] = {}

    async def add(self, size: int, root: bytes, leaves: bytes, peaks: bytes, note: str) -> bool:
        """As the port says."""
        if size in self._kept:
            return False
        self._kept[size] = StoredCheckpoint(
            size=size, root=root, leaves=leaves, peaks=peaks, note=note, made_at=datetime.now(UTC)
        )
        return True

    async def read(self, *, after: int = 0, limit: int) -> list[StoredCheckpoint]:
        """As the port says."""
        later = (self._kept[size] for size in sorted(self._kept) if size > after)
        return list(islice(later, limit))

    async def last(self) -> StoredCheckpoint | None:
        """As the port says."""
        return self._kept[max(self._kept)] if self._kept else None
