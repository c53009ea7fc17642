"""A rebuild: a new view filled from the log beside the one that serves, compared, then switched to."""

import logging
from typing import NamedTuple

import msgspec

from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import Corrupt, Refused
from aigestion.projections.filling import fill
from aigestion.projections.fingerprint import Fingerprint
from aigestion.projections.pace import ALONE, Pace
from aigestion.projections.projection import Projection
from aigestion.projections.quarantine import Quarantine
from aigestion.projections.stages import OnProgress, nobody
from aigestion.projections.standing import standing_of
from aigestion.projections.verify import verify
from aigestion.projections.views import ViewRegistry
from aigestion.projections.writer import ViewWriter
from aigestion.readstores.port import ReadStore, View

_log = logging.getLogger(__name__)


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """The view that serves now."""

    view: View
    position: int
    fingerprint: Fingerprint
    """Equal in view and fold when they were compared, shortly before the switch."""
    parked: int = 0
    """Events that could not be applied to it, with those that wait behind them: neither has them."""


class RolledBack(msgspec.Struct, frozen=True, kw_only=True):
    """The view that serves again."""

    view: View
    position: int
    left: View | None
    """The one that served until now: a roll-back from here goes to it."""


async def rebuild(
    projection: Projection,
    store: ReadStore,
    registry: ViewRegistry,
    reader: LogReader,
    quarantine: Quarantine,
    *,
    pace: Pace = ALONE,
    on_progress: OnProgress = nobody,
) -> Rebuilt:
    """Build the next generation from the log and let it serve; the former one is kept as retired.

    Queries go on with the former view all the while. Killed at any moment, the next rebuild goes on
    with the half-built view. Only one process at a time may do this. What cannot be applied is parked,
    as the runner does it. Raises `Refused` if a newer version serves; `Corrupt`, and switches
    nothing, if the store does not hold what was put into it; `UnknownEvent` for an event this
    program does not know.
    """
    former = await registry.active(projection.name)
    if former is not None and former.version > projection.version:
        raise Refused(
            f"{former.name} serves, of a newer version; this program builds version "
            f"{projection.version}: go back with `projections rollback`"
        )
    shelf = _Shelf(store, registry, quarantine)
    view = await _half_built(projection, shelf, await reader.head())
    if view is None:
        view = await registry.create(projection.name, projection.version)
        await store.prepare(view)
    writer = ViewWriter(projection, view, store, quarantine)
    await fill(writer, reader, pace=pace, on_progress=on_progress)
    fingerprint = await _compared(projection, view, shelf, reader, pace, on_progress)
    position = await fill(writer, reader, pace=pace, on_progress=on_progress, stage="catching up")
    await registry.activate(view)
    await store.serve(view)
    _log.info("%s serves from now on", view.name)
    await _drop_all_retired_but(former, projection, shelf)
    return Rebuilt(
        view=view,
        position=position,
        fingerprint=fingerprint,
        parked=sum(one.events for one in writer.parked.values()),
    )


async def roll_back(
    projection: Projection,
    store: ReadStore,
    registry: ViewRegistry,
    reader: LogReader,
    quarantine: Quarantine,
    *,
    pace: Pace = ALONE,
    on_progress: OnProgress = nobody,
) -> RolledBack:
    """Bring the newest retired view up to date, and let it serve again; the one that did is kept.

    The version it leaves is not built again by itself. Only one process at a time may do this.
    Raises `Refused` if there is nothing to go back to, or this program does not understand it.
    """
    standing = standing_of(projection, await registry.all())
    view = standing.retired
    if view is None:
        raise Refused(f"{projection.name} has no former view to go back to")
    if view.version != projection.version:
        raise Refused(
            f"{view.name} is of version {view.version} and this program keeps version "
            f"{projection.version}: roll back with the program that keeps version {view.version}"
        )
    checkpoint = await store.checkpoint(view)
    if checkpoint is None or checkpoint > await reader.head():
        why = "its store has lost it" if checkpoint is None else "it was made from another log"
        raise Refused(f"{view.name} cannot serve again, {why}: rebuild {projection.name}")
    writer = ViewWriter(projection, view, store, quarantine)
    position = await fill(writer, reader, pace=pace, on_progress=on_progress, stage="catching up")
    await registry.roll_back(view)
    await store.serve(view)
    _log.warning("%s serves again", view.name)
    return RolledBack(view=view, position=position, left=standing.active)


class _Shelf(NamedTuple):
    """Everywhere that something of a view is kept."""

    store: ReadStore
    registry: ViewRegistry
    quarantine: Quarantine

    async def drop(self, view: View) -> None:
        await self.store.drop(view)
        await self.quarantine.forget(view)
        await self.registry.forget(view)


async def _half_built(projection: Projection, shelf: _Shelf, head: int) -> View | None:
    """The view a killed rebuild has left, if it can be gone on with; others are dropped.

    Those of newer versions are left to the programs that understand them.
    """
    taken_up: View | None = None
    for view, state in reversed(await shelf.registry.all()):
        if view.projection != projection.name or state != "building":
            continue
        if view.version == projection.version and taken_up is None:
            checkpoint = await shelf.store.checkpoint(view)
            if checkpoint is not None and checkpoint <= head:
                _log.info("going on with %s at position %d", view.name, checkpoint)
                taken_up = view
                continue
        if view.version <= projection.version:
            await shelf.drop(view)
    return taken_up


async def _compared(
    projection: Projection,
    view: View,
    shelf: _Shelf,
    reader: LogReader,
    pace: Pace,
    on_progress: OnProgress,
) -> Fingerprint:
    verdict = await verify(
        projection,
        view,
        shelf.store,
        reader,
        shelf.quarantine,
        pace=pace,
        on_progress=on_progress,
    )
    if verdict.first is not None:
        await shelf.drop(view)
        raise Corrupt(
            f"{view.name} does not hold what was put into it: {verdict.differing_rows} rows differ, "
            f"the first is {verdict.first.collection}/{verdict.first.key}; the former view goes on",
            view=view.name,
            position=verdict.first.position,
        )
    return verdict.found


async def _drop_all_retired_but(kept: View | None, projection: Projection, shelf: _Shelf) -> None:
    for view, state in await shelf.registry.all():
        if view.projection == projection.name and state == "retired" and view != kept:
            await shelf.drop(view)
