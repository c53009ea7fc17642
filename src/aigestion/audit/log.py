"""The log against itself: positions dense and in order, ids unique, every event opens."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any

from aigestion.audit.finding import PAGE_EVENTS_MAX, Fault, Finding, OpenedLog, Progress
from aigestion.events.event import tags_of
from aigestion.events.recorded import Recorded
from aigestion.eventstore.port import EventStore, SequencedEvent

SEEN_CACHE_KIB_MAX = 8 * 1024


See = Callable[[list[SequencedEvent]], Awaitable[None]]
"""Is shown each page that is read: a log is long, and is read once for all who look."""


async def verify_log(
    log: OpenedLog, *, head: int, progress: Progress, see: See | None = None
) -> Finding:
    """Read positions 1 to `head`, page by page, and stop at the first that is not as it must be."""
    last = 0
    async with aclosing(_pages(log.store, head)) as pages:
        with closing(_SeenIds()) as seen:
            async for page in pages:
                if see is not None:
                    await see(page)
                repeated = seen.add(page)
                for stored in page:
                    fault = _misplaced(stored, last, repeated) or await _misshapen(stored, log)
                    if fault is not None:
                        return _finding(last, fault)
                    last = stored.position
                progress(last)
    if last < head:
        return _finding(last, Fault(last + 1, f"is missing: the log's head is {head}"))
    return _finding(last, await _beyond(log.store, head))


async def _pages(store: EventStore, head: int) -> AsyncGenerator[list[SequencedEvent], None]:
    """The log up to `head`. The next page is asked for while the caller is at work on this one."""

    def read_on(after: int) -> asyncio.Task[list[SequencedEvent]]:
        limit = min(PAGE_EVENTS_MAX, head - after)
        return asyncio.create_task(store.read(after=after, limit=limit))

    reading = read_on(0) if head else None
    try:
        while reading is not None:
            page = await reading
            is_last = not page or page[-1].position >= head
            reading = None if is_last else read_on(page[-1].position)
            await asyncio.sleep(0)  # the question is on its way before the caller goes to work
            if page:
                yield page
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def _misplaced(stored: SequencedEvent, last: int, repeated: Mapping[int, int]) -> Fault | None:
    if stored.position <= last:
        return Fault(stored.position, f"comes after position {last}")
    if stored.position != last + 1:
        return Fault(last + 1, f"is missing: position {stored.position} follows {last}")
    if (earlier := repeated.get(stored.position)) is not None:
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
    return sorted(tag for tag in tags_of(recorded.data) if tag not in recorded.tags)


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

    def add(self, page: Sequence[SequencedEvent]) -> dict[int, int]:
        """Remember the ids of a page. Returns the earlier position of each that was there already."""
        before = self._db.total_changes
        ids = [(one.event.id.bytes, one.position) for one in page]
        self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", ids)
        if self._db.total_changes - before == len(page):
            return {}
        first = {position: self._first(event_id) for event_id, position in ids}
        return {position: one for position, one in first.items() if one != position}

    def _first(self, event_id: bytes) -> int:
        select = "SELECT position FROM seen WHERE id = ?"
        return int(self._db.execute(select, (event_id,)).fetchone()[0])

    def close(self) -> None:
        self._db.close()
