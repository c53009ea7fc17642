"""Everything that can have happened, and how older shapes become present ones."""

from collections.abc import Callable, Mapping
from typing import Any

from aigestion.events import conversation, directory, knowledge, run
from aigestion.events.event import Event
from aigestion.kernel.errors import UnknownEvent

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

EVENTS: tuple[type[Event], ...] = (
    *directory.EVENTS,
    *conversation.EVENTS,
    *knowledge.EVENTS,
    *run.EVENTS,
)

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""(stored name, version) -> the step to the next version. Each noun's file holds its own, at its foot."""


class Catalog:
    """Finds an event class by its stored name. Tests build small ones of their own."""

    def __init__(
        self,
        events: tuple[type[Event], ...] = EVENTS,
        upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    ) -> None:
        self.events = {event.stored_as: event for event in events}
        self.upcasters = upcasters

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

    def upcast(self, stored_as: str, version: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Fields of an older version in the present shape."""
        for step in range(version, self.events[stored_as].version):
            upcaster = self.upcasters.get((stored_as, step))
            if upcaster is None:
                raise UnknownEvent(f"no upcaster for {stored_as} from version {step}")
            fields = upcaster(fields)
        return fields
