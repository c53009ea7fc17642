"""The broker against the log: the message at sequence s is the event at position s (law 3)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import msgspec

from aigestion.audit.finding import PAGE_EVENTS_MAX, Fault, Finding, OpenedLog, Progress
from aigestion.events.catalog import Catalog
from aigestion.events.recorded import Recorded
from aigestion.eventstore.port import EventStore
from aigestion.kernel.errors import AIGestionError
from aigestion.messaging.cloudevents import from_message, to_message
from aigestion.messaging.port import Broker, Message

QUIET_READS_MAX = 6
"""How often in a row the broker may say "nothing yet" before what is missing counts as lost."""
POLL_SECONDS = 0.05
CLOCK_SLACK = timedelta(minutes=1)
"""How far the clocks of log, broker and auditor may lie apart."""


async def verify_broker(
    log: OpenedLog,
    catalog: Catalog,
    broker: Broker,
    *,
    head: int,
    now: datetime,
    progress: Progress,
    relay_seconds: float | None = None,
) -> Finding:
    """Compare every message the broker still holds, up to `head`; retention may drop only the old.

    `relay_seconds` is how long a running relay may take to bring what is new; None if none runs,
    and what it will bring is then no fault.
    """
    last = await _last_sequence(broker, head, relay_seconds or 0.0)
    if last is None:
        return _finding(0, None, "the broker has no stream yet: the relay will make it")
    if last > head:
        grown = await log.store.head()
        if last > grown:
            return _finding(0, Fault(grown + 1, f"is in the broker, but the log ends at {grown}"))
    if last < head and relay_seconds is not None:
        return _finding(0, Fault(last + 1, f"has not reached the broker in {relay_seconds:g} s"))
    waiting = max(head - last, 0)
    checked, first = 0, None
    async for batch in _held(broker, min(head, last)):
        if first is None:
            first = batch[0].position
            if fault := await _dropped_too_early(log.store, first, now - broker.retention):
                return _finding(0, fault)
        elif batch[0].position != checked + first:
            return _finding(checked, Fault(first + checked, "is missing in the broker"))
        fault = await _different(log, catalog, batch)
        if fault is not None:
            return _finding(fault.position - first, fault)
        checked += len(batch)
        progress(batch[-1].position)
    return await _ended(log.store, first, checked, min(head, last), waiting, now - broker.retention)


async def _last_sequence(broker: Broker, head: int, patience_seconds: float) -> int | None:
    """The broker's last sequence, once it is at `head` or patience is over."""
    deadline = monotonic() + patience_seconds
    while (last := await broker.last_sequence()) is None or last < head:
        if monotonic() >= deadline:
            return last
        await asyncio.sleep(POLL_SECONDS)
    return last


async def _ended(
    store: EventStore,
    first: int | None,
    checked: int,
    upto: int,
    waiting: int,
    cutoff: datetime,
) -> Finding:
    """Whether the messages that came are all that should have come."""
    if first is None:
        first = upto + 1
        if fault := await _dropped_too_early(store, first, cutoff):
            return _finding(0, fault)
    if first + checked <= upto:
        return _finding(checked, Fault(first + checked, "is missing in the broker"))
    notes = []
    if first > 1:
        notes.append(f"retention has dropped 1 to {first - 1}")
    if waiting:
        notes.append(f"{waiting} events wait for the relay")
    return _finding(checked, None, "; ".join(notes) or None)


async def _held(broker: Broker, upto: int) -> AsyncIterator[list[Message]]:
    """Messages up to a position, in batches; ends early if the broker stays quiet."""
    reached, quiet = 0, 0
    if upto == 0:
        return
    async with aclosing(broker.messages(0)) as stream:  # type: ignore[type-var]
        async for batch in stream:
            wanted = [message for message in batch if message.position <= upto]
            quiet = 0 if batch else quiet + 1
            if wanted:
                reached = wanted[-1].position
                yield wanted
            if reached >= upto or quiet >= QUIET_READS_MAX or len(wanted) < len(batch):
                return


async def _dropped_too_early(store: EventStore, first: int, cutoff: datetime) -> Fault | None:
    """The first event before `first` that is too young for the broker to have dropped it."""
    last = 0
    while last < first - 1:
        page = await store.read(after=last, limit=min(PAGE_EVENTS_MAX, first - 1 - last))
        for stored in page:
            if stored.recorded_at > cutoff + CLOCK_SLACK:
                return Fault(
                    stored.position, "is missing in the broker, and younger than retention"
                )
        if not page:
            break  # a hole in the log is another check's business
        last = page[-1].position
    return None


async def _different(log: OpenedLog, catalog: Catalog, batch: list[Message]) -> Fault | None:
    """The first message of a batch that is not the log's event."""
    stored = await log.store.read(after=batch[0].position - 1, limit=len(batch))
    events = {one.position: one for one in stored}
    before = batch[0].position - 1
    for message in batch:
        if message.position != before + 1:
            return Fault(before + 1, "is missing in the broker")
        before = message.position
        if message.position not in events:
            return Fault(message.position, "is in the broker, but not in the log")
        recorded = await log.opened(events[message.position])
        if isinstance(recorded, Fault):
            return recorded
        if difference := _difference(recorded, message, catalog):
            return Fault(message.position, difference)
    return None


def _difference(recorded: Recorded[Any], message: Message, catalog: Catalog) -> str | None:
    expected = to_message(recorded)
    if message.headers.get("ce-id") != expected.headers["ce-id"]:
        return f"has the id {message.headers.get('ce-id')} in the broker, {recorded.id} in the log"
    if message.subject != expected.subject:
        return f"has the subject {message.subject} in the broker, not {expected.subject}"
    if message.data == expected.data and _dataref(message) == _dataref(expected):
        return None
    return _difference_in_data(recorded, message, catalog)


def _difference_in_data(recorded: Recorded[Any], message: Message, catalog: Catalog) -> str | None:
    """Bytes differ: that is right if a field was erased since, or the relay knew another version."""
    other = "has other data in the broker than in the log"
    try:
        published = from_message(message, catalog)
    except (AIGestionError, msgspec.MsgspecError, LookupError, ValueError):
        return f"cannot be read in the broker: {message.headers.get('ce-type')}"
    if published is None:
        if message.headers.get("ce-dataschema") != to_message(recorded).headers["ce-dataschema"]:
            return None  # published by a relay of another version: only the id can be compared
        return None if recorded.erased and message.data == b"{}" else other
    erased = {field: getattr(published.data, field) for field in recorded.erased}
    if msgspec.structs.replace(recorded.data, **erased) == published.data:
        return None
    return other


def _dataref(message: Message) -> str | None:
    return message.headers.get("ce-dataref")


def _finding(checked: int, fault: Fault | None, note: str | None = None) -> Finding:
    return Finding(check="broker", checked=checked, unit="messages", note=note, fault=fault)
