"""Reading the log position by position: nothing left out, and what cannot be opened is named."""

from typing import Any

from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import Corrupt, UnknownEvent


async def next_events(reader: LogReader, after: int, limit: int) -> list[Recorded[Any]]:
    """Up to `limit` events at `after + 1`, `after + 2`…; empty at the end of the log.

    An event that cannot be opened ends the list before it. If it is the very next one this raises
    what opening it raised, `UnknownEvent` or `Corrupt`, with `details["position"]`.
    """
    try:
        events = await reader.read(after=after, limit=limit)
    except (UnknownEvent, Corrupt) as error:
        if limit > 1:
            return await next_events(reader, after, limit // 2)
        details = {**error.details, "position": after + 1}
        raise type(error)(f"position {after + 1}: {error.message}", **details) from error
    for expected, event in enumerate(events, after + 1):
        if event.position != expected:
            raise Corrupt(f"the log has no position {expected}", position=expected)
    return events


async def event_at(reader: LogReader, position: int) -> Recorded[Any]:
    """The event with this position; `Corrupt` if the log does not have it."""
    events = await next_events(reader, position - 1, 1)
    if not events:
        raise Corrupt(f"the log has no position {position}", position=position)
    return events[0]
