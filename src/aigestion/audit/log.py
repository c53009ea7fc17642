"""The log against itself: positions dense and in order, ids unique, every event opens."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any
from uuid import UUID

from aigestion.audit.finding import PAGE_EVENTS_MAX, Fault, Finding, OpenedLog, Progress
from aigestion.events.event import tags_of
from aigestion.events.recorded import Recorded
from aigestion.eventstore.port import EventStore, SequencedEvent

SEEN_CACHE_KIB_MAX = 32 * 1024


See = Callable[[list[SequencedEvent]], Awaitable[None]]
"""Is shown each page that is read: a log is long, and is read once for all who look."""


async def verify_log(
    log: OpenedLog, *, head: int, progress: Progress, see: See | None = None
) -> Finding:
    """Read positions 1 to `head`, page by page, and stop at the first that is not as it must be."""
    last = 0
    with closing(_SeenIds()) as seen:
        while last < head:
            page = await log.store.read(after=last, limit=min(PAGE_EVENTS_MAX, head - last))
            if see is not None:
                await see(page)
            for stored in page:
                fault = _misplaced(stored, last, seen) or await _misshapen(stored, log)
                if fault is not None:
                    return _finding(last, fault)
                last = stored.position
            if not page:
                fault = Fault(last + 1, f"is missing: the log's head is {head}")
                return _finding(last, fault)
            progress(last)
    return _finding(last, await _beyond(log.store, head))


def _misplaced(stored: SequencedEvent, last: int, seen: "_SeenIds") -> Fault | None:
    if stored.position <= last:
        return Fault(stored.position, f"comes after position {last}")
    if stored.position != last + 1:
        return Fault(last + 1, f"is missing: position {stored.position} follows {last}")
    earlier = seen.at(stored.event.id, stored.position)
    if earlier is not None:
        return Fault(stored.position, f"has the id of position {earlier}: {stored.event.id}")
    return None


async def _misshapen(stored: SequencedEvent, log: OpenedLog) -> Fault | None:
    recorded = await log.opened(stored)
    if isinstance(recorded, Fault):
        return recorded
    if missing := _missing_tags(recorded):
        return Fault(stored.position, f"lacks a tag of its own data: {', '.join(missing)}")
    return None


def _missing_tags(recorded: Recorded[Any]) -> list[str]:
    """Tags that follow from the data and are not there: no query would find the event by them."""
    if recorded.schema_version != type(recorded.data).version:
        return []  # an upcaster may have added the field; tags are written once
    return sorted(set(tags_of(recorded.data)) - set(recorded.tags))


async def _beyond(store: EventStore, head: int) -> Fault | None:
    """An event the head does not know of. The log may grow meanwhile, so the head is read again."""
    beyond = await store.read(after=head, limit=1)
    if beyond and beyond[0].position > (now := await store.head()):
        return Fault(beyond[0].position, f"lies beyond the log's head, which is {now}")
    return None


def _finding(checked: int, fault: Fault | None) -> Finding:
    return Finding(check="log", checked=checked, unit="events", fault=fault)


class _SeenIds:
    """Which id was at which position. Kept on disk beyond a few MiB, so a log of any size fits."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # "": a private file, gone when closed
        self._db.execute(f"PRAGMA cache_size = -{SEEN_CACHE_KIB_MAX}")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE seen (id BLOB PRIMARY KEY, position INTEGER) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def at(self, event_id: UUID, position: int) -> int | None:
        """The earlier position of this id; None, and remembered, if it is new."""
        insert = "INSERT OR IGNORE INTO seen VALUES (?, ?)"
        if self._db.execute(insert, (event_id.bytes, position)).rowcount:
            return None
        select = "SELECT position FROM seen WHERE id = ?"
        return int(self._db.execute(select, (event_id.bytes,)).fetchone()[0])

    def close(self) -> None:
        self._db.close()
