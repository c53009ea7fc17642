"""What a check of the audit found: how much it looked at, and the first bad position, if any."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from aigestion.events.recorded import Recorded
from aigestion.eventstore.port import EventStore, SequencedEvent
from aigestion.kernel.errors import AIGestionError, Category

PAGE_EVENTS_MAX = 1_000
"""Events read from the log at a time: what bounds the memory of a check."""

Progress: TypeAlias = Callable[[int], None]
"""Told the position a check has reached."""


class Fault(msgspec.Struct, frozen=True):
    """The first thing that is wrong."""

    position: int
    message: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one check."""

    check: str
    """`log`, `broker`, or `view <projection>`."""
    checked: int
    unit: str
    """What `checked` counts: events, messages, rows."""
    note: str | None = None
    """What a reader of the finding should know, although it is no fault."""
    fault: Fault | None = None

    @property
    def passed(self) -> bool:
        return self.fault is None


@dataclass(frozen=True)
class OpenedLog:
    """The stored log and the way to open its events: what every check reads."""

    store: EventStore
    open: Callable[[SequencedEvent], Awaitable[Recorded[Any]]]
    """`Codec.open`."""

    async def opened(self, stored: SequencedEvent) -> Recorded[Any] | Fault:
        """The opened event; a fault if its bytes, its key or its shape do not allow that."""
        try:
            return await self.open(stored)
        except AIGestionError as error:
            if error.category is Category.UNAVAILABLE:
                raise  # an engine is away: that says nothing about the event
            return Fault(stored.position, f"cannot be opened: {error.message}")
        except (ValueError, TypeError, LookupError, msgspec.MsgspecError) as error:
            # What an upcaster or a decoder says to a shape nobody ever wrote.
            return Fault(stored.position, f"cannot be opened: {error}")
