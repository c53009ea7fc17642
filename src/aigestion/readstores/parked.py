"""Events that were set aside, and the keys they belong to: what a quarantine keeps of them."""

from datetime import datetime

import msgspec


class ParkedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a view does not reflect, though its checkpoint has passed it."""

    position: int
    key: str
    """`<tenant>/conversation:…`: the events with this key are applied in order or not at all."""
    tenant: str
    type: str
    error: str | None = None
    """Why it cannot be applied; None for one that only had to wait behind such an event."""


class ParkedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key whose events are parked, from the one that could not be applied on."""

    key: str
    tenant: str
    events: int
    position: int
    """Of the first parked event; everything of this key from here on is parked."""
    type: str
    error: str | None
    """Why the first one cannot be applied; None for a moment, while a redrive is under way."""
    since: datetime
    """When the first one was parked."""
    redrive: bool = False
    """Somebody asked for its events to be applied now."""
    tried_at: datetime | None = None
    """When the last redrive of it failed."""
