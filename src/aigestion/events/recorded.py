"""An event as it stands in the log: opened, in its present shape, with its envelope."""

from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from aigestion.events.event import Event

E = TypeVar("E", bound=Event, covariant=True)


class Recorded(msgspec.Struct, Generic[E], frozen=True, kw_only=True, gc=False):
    """What readers get: the envelope and the opened event."""

    position: int
    """Dense: 1, 2, 3… in commit order, without holes (law 2)."""
    id: UUID
    type: str
    schema_version: int
    """The version it was stored in; `data` has the present one."""
    tags: tuple[str, ...]
    """Without the tenant: `conversation:…`, `user:…`."""
    tenant: str
    actor: str
    correlation_id: UUID
    causation_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    data: E
    erased: tuple[str, ...] = ()
    """Personal fields whose subject's key was destroyed."""
