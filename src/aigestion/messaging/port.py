"""The broker as the relay and the readers see it; its sequence is the log's position (law 3)."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol
from uuid import UUID

import msgspec


class Message(msgspec.Struct, frozen=True):
    """One event on its way: opened JSON with its envelope in CloudEvents headers."""

    position: int
    subject: str
    headers: dict[str, str]
    data: bytes


class Broker(Protocol):
    """A stream whose sequence numbers are the log's positions."""

    async def last_sequence(self) -> int:
        """The broker's own last sequence: the relay's only cursor."""
        ...

    async def publish(self, batch: Sequence[Message]) -> None:
        """Publish all or none, expecting the stream to end just before the batch.

        Raises `SequenceMismatch` if it does not, `Unavailable` if nobody answers.
        """
        ...

    def messages(self, after: int) -> AsyncIterator[list[Message]]:
        """Messages later than `after` in order, as they come. An empty list says: quiet for a while."""
        ...


class Delta(msgspec.Struct, frozen=True):
    """A piece of a reply that is being written."""

    conversation_id: UUID
    run_id: UUID
    text: str


class LiveChannel(Protocol):
    """Where the pieces of a reply go while it is written; nobody keeps them (law 12)."""

    async def publish(self, tenant: str, delta: Delta) -> None: ...
