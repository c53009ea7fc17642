"""Redrive: what was parked is applied after all, in order, by whoever writes the view."""

import asyncio
import logging
from collections.abc import Mapping

import msgspec

from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import CheckpointMoved, Misconfigured, NotFound, Unavailable
from aigestion.messaging.log_order import event_at
from aigestion.projections.quarantine import Quarantine, described
from aigestion.projections.stages import OnProgress, nobody
from aigestion.projections.writer import ViewWriter
from aigestion.readstores.parked import ParkedEvent, ParkedKey
from aigestion.readstores.port import View

REDRIVE_EVENTS_MAX = 500
"""So many are applied before the news have their turn."""
WAIT_POLL_SECONDS = 0.1
STALLED_SECONDS_MAX = 30.0
"""Who waits for a redrive that does not move for so long is told so; the request stands."""

_NOT_THE_EVENTS_FAULT = (Unavailable, CheckpointMoved, Misconfigured)
_log = logging.getLogger(__name__)


class Redriven(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the parked events that somebody asked to apply."""

    view: str
    position: int
    """How many of them were applied."""
    parked: int
    """How many of them are parked still."""
    failed: list[ParkedKey]
    """The keys that got no further, each with its new error."""


async def redrive_some(writer: ViewWriter, reader: LogReader) -> bool:
    """Apply parked events of keys somebody asked for; whether there are more of them.

    Killed at any moment, it begins again with the last event it applied. Meanwhile their keys stay
    parked, so nothing newer of them slips in between. Raises what has nothing to do with the event.
    """
    asked = await writer.quarantine.keys(writer.view)
    keys = [one.key for one in asked.values() if one.redrive and one.position <= writer.position]
    left = REDRIVE_EVENTS_MAX
    if keys:
        await writer.settle()  # the checkpoint must have passed them
    for key in keys:
        events = await writer.quarantine.events(writer.view, key, left)
        for event in events:
            if not await _redriven(writer, reader, event):
                break
        left -= len(events)
        if left <= 0:
            break
    writer.parked = await writer.quarantine.keys(writer.view)
    return left <= 0


async def _redriven(writer: ViewWriter, reader: LogReader, parked: ParkedEvent) -> bool:
    """Whether the event could be applied; if not, it says so in quarantine."""
    view, key, position = writer.view, parked.key, parked.position
    try:
        event = await event_at(reader, position)
        changes = list(writer.projection.project(event))
        await writer.store.amend(view, changes, position)
    except _NOT_THE_EVENTS_FAULT:
        raise
    except Exception as error:
        _log.error("%s: the redrive of %s failed at %d", view.name, key, position, exc_info=error)
        await writer.quarantine.failed(view, key, position, described(error))
        return False
    await writer.quarantine.remove(view, key, position)
    return True


async def ask_and_wait(
    quarantine: Quarantine,
    view: View,
    key: str | None,
    *,
    on_progress: OnProgress = nobody,
) -> Redriven:
    """Ask the view's runner, in whatever process, for a redrive of a key or of all, and wait for the outcome.

    Raises `NotFound` if this key is not parked, `Unavailable` if nothing moves for a while.
    """
    before = await _asked_for(quarantine, view, key)
    loop = asyncio.get_running_loop()
    seen, moved_at = -1, loop.time()
    while True:
        now = await quarantine.keys(view)
        left = sum(now[one].events for one in before if one in now)
        on_progress(_total(before) - left, _total(before), "redriving")
        if not any(now[one].redrive for one in before if one in now):
            return _outcome(view, before, now)
        if left != seen:
            seen, moved_at = left, loop.time()
        elif loop.time() - moved_at > STALLED_SECONDS_MAX:
            raise Unavailable(
                f"Nobody redrives {view.name} at the moment; the request stands.",
                engine=view.projection,
            )
        await asyncio.sleep(WAIT_POLL_SECONDS)


async def redrive_here(
    writer: ViewWriter,
    reader: LogReader,
    key: str | None,
    *,
    on_progress: OnProgress = nobody,
) -> Redriven:
    """Redrive a key, or all, with a writer that is the only one. `NotFound` if this key is not parked."""
    view = writer.view
    before = await _asked_for(writer.quarantine, view, key)
    more = await writer.open()
    while more:
        more = await redrive_some(writer, reader)
        done = _outcome(view, before, writer.parked)
        on_progress(done.position, done.position + done.parked, "redriving")
    return _outcome(view, before, writer.parked)


async def _asked_for(
    quarantine: Quarantine, view: View, key: str | None
) -> Mapping[str, ParkedKey]:
    """Ask for a redrive; the keys that it is about. `NotFound` if this key is not parked."""
    if await quarantine.ask(view, key) == 0 and key is not None:
        raise NotFound(f"Nothing of {key} is parked in {view.name}.")
    return {name: one for name, one in (await quarantine.keys(view)).items() if key in (None, name)}


def _outcome(
    view: View, before: Mapping[str, ParkedKey], after: Mapping[str, ParkedKey]
) -> Redriven:
    """What became of the keys that were asked for."""
    failed = [after[key] for key in before if key in after]
    parked = sum(one.events for one in failed)
    return Redriven(
        view=view.name,
        position=max(0, _total(before) - parked),
        parked=parked,
        failed=failed,
    )


def _total(keys: Mapping[str, ParkedKey]) -> int:
    return sum(one.events for one in keys.values())
