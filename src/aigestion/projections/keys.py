"""Keys: the line of events that an event belongs to, within which order matters (quarantine, law 14)."""

from collections.abc import Callable
from typing import Any, TypeAlias
from uuid import UUID

from aigestion.events.event import tags_of
from aigestion.events.recorded import Recorded

Key: TypeAlias = Callable[[Recorded[Any]], str | None]
"""Pure. Events with different keys never touch the same row. None: it is not to be parked, its failure
stops the whole read model."""


def key_of(tenant: str, kind: str, id_: UUID | str) -> str:
    """The key of a thing: `demo/conversation:0199…`."""
    return f"{tenant}/{kind}:{id_}"


def by_tag(*kinds: str) -> Key:
    """The first of these tags that an event carries; without one, the tenant's own line."""

    def key(recorded: Recorded[Any]) -> str:
        tags = dict(tag.partition(":")[::2] for tag in tags_of(recorded.data))
        kind = next((kind for kind in kinds if kind in tags), None)
        return recorded.tenant if kind is None else key_of(recorded.tenant, kind, tags[kind])

    return key


def by_event(recorded: Recorded[Any]) -> str:
    """Every event is a line of its own: for facts, a row an event."""
    return key_of(recorded.tenant, "event", recorded.id)
