"""The writer of one view: events in order, each once; what cannot be applied is parked with its key (law 14)."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aigestion.events.recorded import Recorded
from aigestion.kernel.errors import (
    AIGestionError,
    ChangeRejected,
    CheckpointMoved,
    ProjectionFailed,
    QuarantineFull,
)
from aigestion.projections.progress import NOTHING
from aigestion.projections.projection import Projection
from aigestion.projections.quarantine import PARKED_KEYS_MAX, Quarantine, described
from aigestion.readstores.parked import ParkedEvent, ParkedKey
from aigestion.readstores.port import Change, Packs, ReadStore, View

CHANGES_MAX = 5_000
"""So many changes are written at once; the last event of them may make it more."""
CHECKPOINT_SECONDS = 1.0
"""How long the stored checkpoint may be behind while nothing changes in the view."""

_log = logging.getLogger(__name__)


class _Step(msgspec.Struct, frozen=True, gc=False):
    """An event that changes something."""

    event: Recorded[Any]
    changes: Sequence[Change]


class _Batch(msgspec.Struct):
    """Events that are written at once, up to `position`."""

    position: int
    steps: list[_Step] = []
    parked: list[ParkedEvent] = []
    changes: int = 0
    stop: AIGestionError | None = None
    """Why the line must stop at the event behind these."""


class _How(msgspec.Struct, frozen=True):
    visible: bool = True
    giving_up: bool = False


class ViewWriter:
    """Writes to one view; at most one writer may at a time."""

    def __init__(
        self,
        projection: Projection,
        view: View,
        store: ReadStore,
        quarantine: Quarantine,
    ) -> None:
        self.projection = projection
        self.view = view
        self.store = store
        self.quarantine = quarantine
        self.packs = store if isinstance(store, Packs) else None
        self.position = 0
        """Everything up to here is written or parked."""
        self.parked: Mapping[str, ParkedKey] = NOTHING
        """Replaced, never changed: readers may keep what they have got."""
        self._hidden = False
        """Something was written that queries need not see yet."""
        self._stored = 0
        self._stored_at = 0.0
        self._gave_up = False
        """An event was parked because nobody knows better; not another one before the store took something."""

    async def open(self) -> bool:
        """Find out where the view is and what is parked; False if there is no such view."""
        checkpoint = await self.store.checkpoint(self.view)
        if checkpoint is None:
            return False
        self.position = self._stored = checkpoint
        self.parked = await self.quarantine.keys(self.view)
        return True

    async def pack(self, changes: Sequence[Change]) -> Sequence[Any]:
        """Changes for `take`: made ready, if the store can. Raises what `take` raises for their values."""
        if self.packs is None or not changes:
            return changes
        return [await self.packs.pack(self.view, changes)]

    async def take(self, packed: Sequence[Any], position: int, *, visible: bool) -> None:
        """Write what all events up to `position` change, where nothing is to be parked.

        `packed`: what `pack` returned, one after the other. `visible` as in `ReadStore.apply`. Raises what
        the store raises; with `ChangeRejected`, none of it is written.
        """
        if packed or self._is_due(position, visible=visible):
            if self.packs is None:
                await self.store.apply(self.view, packed, position, visible=visible)
            else:
                await self.packs.apply_packed(self.view, packed, position)
            self._wrote(position, hidden=not visible and (self._hidden or bool(packed)))
        self.position = position

    async def write(
        self,
        events: Sequence[Recorded[Any]],
        upto: int | None = None,
        *,
        visible: bool = True,
        giving_up: bool = False,
    ) -> None:
        """Write what the events change, in order; park those that cannot be, and all that follow of their keys.

        `position` is then `upto`, else the last event's. `visible` as in `ReadStore.apply`. `giving_up`: the
        store failed on these again and again, with an error nobody foresaw; the event it fails on alone is
        parked as if it were rejected. Raises `QuarantineFull`, `ProjectionFailed` for an event that has no
        key, and what the store raises; what came before is written then.
        """
        how = _How(visible, giving_up)
        batch = _Batch(self.position)
        for event in events:
            self._add(batch, event)
            if batch.stop is not None or batch.changes >= CHANGES_MAX:
                await self._commit(batch, how)
                batch = _Batch(event.position)
        batch.position = batch.position if upto is None else upto
        await self._commit(batch, how)

    async def settle(self) -> None:
        """Store the checkpoint, if it is behind."""
        if self.position > self._stored:
            await self._apply([], self.position, _How())

    async def compare(self) -> None:
        """`CheckpointMoved` unless the view is where this writer left it."""
        checkpoint = await self.store.checkpoint(self.view)
        if checkpoint != self._stored:
            raise CheckpointMoved(
                f"{self.view.name} is at {checkpoint}, and was left at {self._stored}.",
                view=self.view.name,
            )

    def _add(self, batch: _Batch, event: Recorded[Any]) -> None:
        """Put the next event into a batch, unless that has come to its `stop`."""
        outcome = self.project_or_park(event, batch.parked)
        if isinstance(outcome, list):
            if outcome:
                batch.steps.append(_Step(event, outcome))
                batch.changes += len(outcome)
        elif isinstance(outcome, ParkedEvent):
            batch.parked.append(outcome)
        else:
            batch.stop = outcome
            return
        batch.position = event.position

    async def _commit(self, batch: _Batch, how: _How) -> None:
        """Write a batch, then raise its `stop`."""
        if batch.parked:
            await self._park(batch.parked)  # first: a crash may repeat it, but not forget it
        if batch.steps or self._is_due(batch.position, visible=how.visible):
            await self._apply(batch.steps, batch.position, how)
        self.position = batch.position
        if batch.stop is not None:
            raise batch.stop

    def _is_due(self, position: int, *, visible: bool) -> bool:
        """Whether the checkpoint is to be written though nothing changes."""
        late = asyncio.get_running_loop().time() - self._stored_at >= CHECKPOINT_SECONDS
        return (late and position > self._stored) or (visible and self._hidden)

    def _wrote(self, position: int, *, hidden: bool) -> None:
        self._hidden = hidden
        self.position = self._stored = position
        self._stored_at = asyncio.get_running_loop().time()

    def project_or_park(
        self, event: Recorded[Any], parking: Sequence[ParkedEvent] = ()
    ) -> list[Change] | ParkedEvent | AIGestionError:
        """What an event changes; or how it is to be parked; or why the line must stop at it.

        `parking`: events before it that are about to be parked.
        """
        reads = self.projection.reads
        if reads is not None and type(event.data) not in reads:
            return []
        try:
            if self.parked or parking:
                key = self.projection.key(event)
                if key is not None and (
                    self._waits(event, key) or any(one.key == key for one in parking)
                ):
                    return _parked(event, key, None)
            return list(self.projection.project(event))
        except Exception as error:
            _log.error("%s failed at %d", self.view.name, event.position, exc_info=error)
            return self._to_park(event, error, parking)

    def _waits(self, event: Recorded[Any], key: str) -> bool:
        """Whether it comes behind a parked event; what comes before one is applied, also again."""
        first = self.parked.get(key)
        return first is not None and event.position >= first.position

    def _to_park(
        self, event: Recorded[Any], error: Exception, parking: Sequence[ParkedEvent] = ()
    ) -> ParkedEvent | AIGestionError:
        told = described(error)
        stopped: AIGestionError
        try:
            key = self.projection.key(event)
        except Exception:
            key = None
        if key is None:
            stopped = ProjectionFailed(
                f"{self.projection.name} failed on position {event.position}: {told}",
                position=event.position,
            )
        elif (keys := len(self.parked.keys() | {one.key for one in parking})) >= PARKED_KEYS_MAX:
            stopped = QuarantineFull(
                f"{keys} keys of {self.view.name} are parked, and position "
                f"{event.position} cannot be applied either: {told}",
                position=event.position,
            )
        else:
            return _parked(event, key, told)
        stopped.__cause__ = error
        return stopped

    async def _apply(self, steps: Sequence[_Step], position: int, how: _How) -> None:
        """Apply, by halves if something in it is rejected: so the one event is found that is."""
        rejected = await self._rejected(steps, position, how)
        if rejected is None:
            return
        if len(steps) == 1:
            await self._reject(steps[0].event, rejected)
            await self._apply([], position, how)
            return
        middle = len(steps) // 2
        await self._apply(steps[:middle], steps[middle - 1].event.position, how)
        await self._apply(await self._free_to_go(steps[middle:]), position, how)

    async def _rejected(self, steps: Sequence[_Step], position: int, how: _How) -> Exception | None:
        """Apply all of it, or return why the store will never take it; raises for any other trouble."""
        changes = [change for step in steps for change in step.changes]
        try:
            await self.store.apply(self.view, changes, position, visible=how.visible)
        except Exception as error:
            unforeseen = not isinstance(error, AIGestionError)
            if steps and isinstance(error, ChangeRejected):
                return error
            if steps and unforeseen and how.giving_up and not self._gave_up:
                self._gave_up = len(steps) == 1
                return error
            raise
        self._gave_up = False
        self._wrote(position, hidden=not how.visible and (self._hidden or bool(steps)))
        return None

    async def _reject(self, event: Recorded[Any], error: Exception) -> None:
        _log.error("%s is not taken at %d", self.view.name, event.position, exc_info=error)
        outcome = self._to_park(event, error)
        if isinstance(outcome, AIGestionError):
            raise outcome from error
        await self._park([outcome])

    async def _free_to_go(self, steps: Sequence[_Step]) -> list[_Step]:
        """Those whose key is not parked by now; the others are parked behind it."""
        if not self.parked:
            return list(steps)
        free, waiting = [], []
        for step in steps:
            key = self.projection.key(step.event)
            if key is not None and self._waits(step.event, key):
                waiting.append(_parked(step.event, key, None))
            else:
                free.append(step)
        if waiting:
            await self._park(waiting)
        return free

    async def _park(self, events: Sequence[ParkedEvent]) -> None:
        """Make sure first that nobody else has moved the view: an old writer must park nothing."""
        await self.compare()
        await self.quarantine.park(self.view, events)
        self.parked = await self.quarantine.keys(self.view)


def _parked(event: Recorded[Any], key: str, error: str | None) -> ParkedEvent:
    return ParkedEvent(
        position=event.position,
        key=key,
        tenant=event.tenant,
        type=event.type,
        error=error,
    )
