"""The broker as the relay and the readers see it; its sequence is the log's position (law 3)."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol, TypeAlias
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

    @property
    def retention(self) -> timedelta:
        """How long the stream keeps a message."""
        ...

    async def last_sequence(self) -> int | None:
        """The broker's own last sequence: the relay's only cursor. None if there is no stream.

        Raises `Misconfigured` if the stream could lose or reorder events, `Unavailable`.
        """
        ...

    async def create(self, first_sequence: int) -> None:
        """Make the stream; its first message will have this sequence. One that is there stays as it is."""
        ...

    async def event_id_at(self, sequence: int) -> UUID | None:
        """The id of the event with this sequence; None if the stream does not hold it any more."""
        ...

    async def publish(self, messages: Iterable[Message]) -> None:
        """Publish in order, expecting the stream to end just before the first. Up to 1,000; each is
        made when its turn comes, if the iterable makes them.

        Raises `SequenceMismatch` if it does not, `Unavailable` if nobody answers: then none of it
        is stored, or all, or a first part. `last_sequence` tells.
        """
        ...

    def messages(self, after: int) -> AsyncIterator[list[Message]]:
        """Messages later than `after` in order, as they come. An empty list says: quiet for a while.

        Survives outages of the broker, which look like quiet. Messages the broker has lost or
        dropped are missing: a reader compares positions.
        """
        ...


class Tenure(Protocol):
    """One stretch of leadership."""

    @property
    def lost(self) -> bool:
        """Whether it is over; it never comes back."""
        ...

    async def until_lost(self) -> None: ...


class Leadership(Protocol):
    """At most one process leads at a time; the others wait to take over."""

    def held(self) -> AbstractAsyncContextManager[Tenure]:
        """Wait until this process leads; leaving the block gives leadership up."""
        ...


class Leaderships(Protocol):
    """One leadership a name; what leads under one name knows nothing of the others."""

    def of(self, name: str) -> Leadership: ...


class Delta(msgspec.Struct, frozen=True):
    """A piece of a reply that is being written."""

    conversation_id: UUID
    run_id: UUID
    text: str


class LiveChannel(Protocol):
    """Where the pieces of a reply go while it is written; nobody keeps them (law 12)."""

    async def publish(self, tenant: str, delta: Delta) -> None: ...


class Wake(msgspec.Struct, frozen=True):
    """Something was recorded: read the log. Says nothing about what."""

    position: int | None
    """Up to where; None if events and deltas may have been missed: a reply that is being written
    now has a hole, so wait for the recorded one."""


LiveItem: TypeAlias = Delta | Wake
