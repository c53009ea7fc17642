"""The log as it is read to be shown: page by page, from moment to moment."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import Events
from aigestion.kernel.query import Query


async def pages(
    events: Events, query: Query, *, after: int, upto: int, page_events_max: int
) -> AsyncGenerator[list[Recorded[Any]], None]:
    """What matches of the positions `after + 1` to `upto`, at most so many at a time.

    The next page is asked for while the caller is at work on this one.
    """

    def read_on(after: int) -> asyncio.Task[list[Recorded[Any]]]:
        return asyncio.create_task(events.read(query, after=after, limit=page_events_max))

    reading = read_on(after)
    try:
        while True:
            page = await reading
            is_last = len(page) < page_events_max or page[-1].position >= upto
            if not is_last:
                reading = read_on(page[-1].position)
                await asyncio.sleep(0)  # the question is on its way before the caller goes to work
            wanted = page if not page or page[-1].position <= upto else _upto(page, upto)
            if wanted:
                yield wanted
            if is_last:
                return
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def first_since(events: Events, moment: datetime) -> int:
    """The position after which everything was recorded at that moment or later."""
    low, high = 0, await events.head()
    while low < high:
        middle = (low + high) // 2
        later = await events.read(after=middle, limit=1)
        if not later or later[0].recorded_at >= moment:
            high = middle
        else:
            low = later[0].position
    return low


async def position_at(events: Events, point: int | datetime) -> int:
    """The last position recorded before a time; a position is itself."""
    return point if isinstance(point, int) else await first_since(events, point)


def _upto(page: list[Recorded[Any]], upto: int) -> list[Recorded[Any]]:
    return [event for event in page if event.position <= upto]
