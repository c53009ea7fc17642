"""A rebuild: a new view filled from the log beside the one that serves, compared, then switched to."""

import logging
from collections.abc import Callable
from dataclasses import replace

import msgspec

from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import Corrupt
from aigestion.messaging.log_order import next_events
from aigestion.projections.fingerprint import Fingerprint
from aigestion.projections.fold import Fold
from aigestion.projections.projection import Projection
from aigestion.projections.quarantine import Quarantine
from aigestion.projections.views import ViewRegistry, ViewState
from aigestion.projections.writer import ViewWriter
from aigestion.readstores.port import ReadStore, View

FILL_EVENTS_MAX = 2_000

OnProgress = Callable[[int, int], None]
"""Called with (position, head) after every batch."""

_log = logging.getLogger(__name__)


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """The view that serves now."""

    view: View
    position: int
    fingerprint: Fingerprint
    """Equal in view and fold when they were compared, shortly before the switch."""
    parked: int = 0
    """Events that could not be applied to it, with those that wait behind them: neither has them."""


async def rebuild(
    projection: Projection,
    store: ReadStore,
    registry: ViewRegistry,
    reader: LogReader,
    quarantine: Quarantine,
    *,
    on_progress: OnProgress = lambda position, head: None,
) -> Rebuilt:
    """Build the next generation from the log and let it serve; the former one is kept as retired.

    Queries go on with the former view all the while. Killed at any moment, the half-built view is
    dropped by the next rebuild. Holds the fold in memory. What cannot be applied is parked, as the
    runner does it. Raises `Corrupt`, and switches nothing,
    if the store does not hold what was put into it; `UnknownEvent` for an event this program does
    not know.
    """
    await _drop(projection, store, registry, quarantine, "building")
    view = await registry.create(projection.name, projection.version)
    await store.prepare(view)
    writer = ViewWriter(projection, view, store, quarantine)
    await writer.open()
    fold = Fold(replace(projection, project=writer.changes_of))
    await _catch_up(writer, fold, reader, on_progress)
    fingerprint = await _compared(fold, view, store)
    await _catch_up(writer, fold, reader, on_progress)
    await registry.activate(view)
    _log.info("%s serves from now on", view.name)
    await _drop(projection, store, registry, quarantine, "retired")
    return Rebuilt(
        view=view,
        position=fold.position,
        fingerprint=fingerprint,
        parked=sum(one.events for one in writer.parked.values()),
    )


async def _catch_up(
    writer: ViewWriter, fold: Fold, reader: LogReader, on_progress: OnProgress
) -> None:
    """Put what the log has into the view, and into the fold it is compared with, up to its end."""
    full = True
    while full:
        events = await next_events(reader, fold.position, FILL_EVENTS_MAX)
        full = len(events) == FILL_EVENTS_MAX
        await writer.write(events)
        for event in events:
            fold.apply(event)  # what was written of it: nothing, if it was parked
        on_progress(fold.position, max(fold.position, await reader.head()))
    await writer.settle()


async def _compared(fold: Fold, view: View, store: ReadStore) -> Fingerprint:
    differing, fingerprint = await fold.differences(store.rows(view))
    for key, row in differing.items():
        first = fold.difference(key, row)
        raise Corrupt(
            f"{view.name} does not hold what was put into it: {len(differing)} rows differ, one is "
            f"{first.collection}/{first.key}; the former view goes on",
            view=view.name,
            position=first.position,
        )
    return fingerprint


async def _drop(
    projection: Projection,
    store: ReadStore,
    registry: ViewRegistry,
    quarantine: Quarantine,
    state: ViewState,
) -> None:
    """Drop the projection's views in this state, but the newest retired one: it is for going back."""
    views = [v for v, s in await registry.all() if v.projection == projection.name and s == state]
    for view in views[:-1] if state == "retired" else views:
        await store.drop(view)
        await quarantine.forget(view)
        await registry.forget(view)
