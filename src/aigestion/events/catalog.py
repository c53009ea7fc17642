"""Everything that can have happened, and how older shapes become present ones."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from aigestion.events import conversation, directory, knowledge, run
from aigestion.events.event import Event
from aigestion.events.sealed_field import SealedField, sealed_fields_of
from aigestion.kernel.errors import UnknownEvent

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


class OlderShape(msgspec.Struct, frozen=True):
    """A shape that events of a type once had: how it is read, and the step to the next version."""

    upcast: Upcaster
    """Takes the fields as decoded JSON (ids and times are text). Pure."""
    sealed_fields: tuple[SealedField, ...]
    """What was sealed in it. Repeated here, because the class only knows what is sealed now."""


EVENTS: tuple[type[Event], ...] = (
    *directory.EVENTS,
    *conversation.EVENTS,
    *knowledge.EVENTS,
    *run.EVENTS,
)

OLDER_SHAPES: Mapping[tuple[str, int], OlderShape] = {
    (directory.KeyIssued.stored_as, 1): OlderShape(directory.key_issued_from_1, ()),
    (conversation.ConversationStarted.stored_as, 1): OlderShape(
        conversation.conversation_started_from_1, (SealedField("title", "user_id", "user"),)
    ),
    (run.RunStarted.stored_as, 1): OlderShape(run.run_started_from_1, ()),
}
"""By (stored name, version). Each noun's file holds its upcasters, at its foot."""


class Catalog:
    """Finds an event class by its stored name. Tests build small ones of their own."""

    def __init__(
        self,
        events: tuple[type[Event], ...] = EVENTS,
        older_shapes: Mapping[tuple[str, int], OlderShape] = OLDER_SHAPES,
    ) -> None:
        self.events = {event.stored_as: event for event in events}
        self.older_shapes = older_shapes

    def event_class(self, stored_as: str, version: int) -> type[Event]:
        """The class of a stored name; `UnknownEvent` if this program is too old for it."""
        event = self.events.get(stored_as)
        if event is None:
            raise UnknownEvent(f"the log holds an event of the unknown type {stored_as!r}")
        if version > event.version:
            raise UnknownEvent(
                f"the log holds {stored_as} in version {version}; this program knows {event.version}"
            )
        return event

    def sealed_fields(self, stored_as: str, version: int) -> tuple[SealedField, ...]:
        """What is sealed in an event stored in this version."""
        event = self.event_class(stored_as, version)
        if version == event.version:
            return sealed_fields_of(event)
        return self._older(stored_as, version).sealed_fields

    def upcast(self, stored_as: str, version: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Fields of an older version in the present shape."""
        for step in range(version, self.events[stored_as].version):
            fields = self._older(stored_as, step).upcast(fields)
        return fields

    def _older(self, stored_as: str, version: int) -> OlderShape:
        shape = self.older_shapes.get((stored_as, version))
        if shape is None:
            raise UnknownEvent(f"no upcaster for {stored_as} from version {version}")
        return shape
