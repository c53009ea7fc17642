"""The port of the quarantine: events a view could not take wait here, by key and in order (law 14)."""

import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from aigestion.kernel.clock import utc_now
from aigestion.kernel.errors import AIGestionError
from aigestion.readstores.parked import ParkedEvent, ParkedKey
from aigestion.readstores.port import View

PARKED_KEYS_MAX = 1_000
"""More keys of one view are not parked: a fault that is everywhere must stop the line, not hide here."""
ERROR_CHARS_MAX = 500


class Quarantine(Protocol):
    """What is parked, kept apart from the views. One runner at a time parks and removes for a view."""

    async def park(self, view: View, events: Sequence[ParkedEvent]) -> None:
        """Keep these, durably when it returns. A position that is parked already stays as it is."""
        ...

    async def keys(self, view: View) -> Mapping[str, ParkedKey]:
        """The parked keys in order of their first events."""
        ...

    async def events(self, view: View, key: str, limit: int) -> list[ParkedEvent]:
        """The first parked events of a key, in order."""
        ...

    async def ask(self, view: View, key: str | None = None) -> int:
        """Ask for a redrive of a key, or of all; returns of how many. The view's runner sees it."""
        ...

    async def remove(self, view: View, key: str, position: int) -> None:
        """This event was applied. Its key is gone with its last event. Idempotent."""
        ...

    async def failed(self, view: View, key: str, position: int, error: str) -> None:
        """A redrive got no further than this event; nobody asks for it any more."""
        ...

    async def forget(self, view: View) -> None:
        """The view was dropped. Idempotent."""
        ...


def described(error: BaseException) -> str:
    """One bounded sentence about an error, fit to be kept.

    What the text of a foreign exception says may come from an event, and outlive its erasure: only its
    kind and the place it was raised at are told. The whole of it is in the process's own log.
    """
    if isinstance(error, AIGestionError):
        told = error.message
    else:
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        told = f"{type(error).__name__}{place}"
    return told.replace("\0", "\N{REPLACEMENT CHARACTER}")[:ERROR_CHARS_MAX]


class _Waiting(msgspec.Struct):
    event: ParkedEvent
    since: datetime


class MemoryQuarantine:
    """A quarantine in dicts, for tests."""

    def __init__(self) -> None:
        self._events: dict[View, dict[int, _Waiting]] = {}
        self._asked: set[tuple[View, str]] = set()
        self._tried: dict[tuple[View, str], datetime] = {}

    async def park(self, view: View, events: Sequence[ParkedEvent]) -> None:
        """As the port says."""
        waiting = self._events.setdefault(view, {})
        for event in events:
            waiting.setdefault(event.position, _Waiting(event, utc_now()))

    async def keys(self, view: View) -> Mapping[str, ParkedKey]:
        """As the port says."""
        found: dict[str, ParkedKey] = {}
        for position, waiting in sorted(self._events.get(view, {}).items()):
            event = waiting.event
            first = found.get(event.key)
            found[event.key] = (
                msgspec.structs.replace(first, events=first.events + 1)
                if first
                else ParkedKey(
                    key=event.key,
                    tenant=event.tenant,
                    events=1,
                    position=position,
                    type=event.type,
                    error=event.error,
                    since=waiting.since,
                    redrive=(view, event.key) in self._asked,
                    tried_at=self._tried.get((view, event.key)),
                )
            )
        return found

    async def events(self, view: View, key: str, limit: int) -> list[ParkedEvent]:
        """As the port says."""
        waiting = sorted(self._events.get(view, {}).items())
        return [one.event for _, one in waiting if one.event.key == key][:limit]

    async def ask(self, view: View, key: str | None = None) -> int:
        """As the port says."""
        asked = [one for one in await self.keys(view) if key in (None, one)]
        self._asked |= {(view, one) for one in asked}
        return len(asked)

    async def remove(self, view: View, key: str, position: int) -> None:
        """As the port says."""
        self._events.get(view, {}).pop(position, None)
        if not await self.events(view, key, 1):
            self._asked.discard((view, key))
            self._tried.pop((view, key), None)

    async def failed(self, view: View, key: str, position: int, error: str) -> None:
        """As the port says."""
        waiting = self._events.get(view, {}).get(position)
        if waiting is not None:
            waiting.event = msgspec.structs.replace(waiting.event, error=error)
            self._asked.discard((view, key))
            self._tried[view, key] = utc_now()

    async def forget(self, view: View) -> None:
        """As the port says."""
        self._events.pop(view, None)
        self._asked = {one for one in self._asked if one[0] != view}
        self._tried = {one: at for one, at in self._tried.items() if one[0] != view}
