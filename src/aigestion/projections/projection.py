"""A projection: a name, a version, the types it reads, and `project(event) -> changes` (law 5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aigestion.events.event import Event
from aigestion.events.recorded import Recorded
from aigestion.projections.keys import Key
from aigestion.readstores.port import Change

StoreRole = Literal["lists", "search", "analytics", "vectors"]
"""What a read model needs of its store; settings say which engine plays the part."""


@dataclass(frozen=True)
class Projection:
    """One read model. A change of its shape is a new version, never an ALTER."""

    name: str
    version: int
    store: StoreRole
    collections: tuple[str, ...]
    reads: tuple[type[Event], ...] | None
    """The event types it reads; None for all. Others only move its checkpoint."""
    key: Key
    """Whose order matters: an event that cannot be applied is set aside with all that follow of its key."""
    project: Callable[[Recorded[Any]], Sequence[Change]]

    @property
    def types(self) -> frozenset[str] | None:
        """The stored names of the types it reads; None for all."""
        return None if self.reads is None else frozenset(event.stored_as for event in self.reads)
