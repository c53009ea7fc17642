"""The runner: applies the log to one view, in order, each event once, and stops in plain sight (law 4)."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from aigestion.events.recorded import Recorded
from aigestion.kernel.cancellation import heed_cancellation
from aigestion.kernel.errors import Corrupt, ProjectionFailed
from aigestion.messaging.subscription import READ_EVENTS_MAX, Subscription
from aigestion.projections.progress import Progress
from aigestion.projections.projection import Projection
from aigestion.readstores.port import Change, ReadStore, View

CHANGES_MAX = 5_000
"""A batch ends with the event that reaches this many changes."""
CHECKPOINT_SECONDS = 1.0
"""How long the stored checkpoint may be behind while nothing changes in the view."""
BACKOFF_MIN_SECONDS = 0.1
BACKOFF_MAX_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Runner:
    """Keeps one view up to date. At most one runner may write to a view at a time."""

    def __init__(
        self,
        projection: Projection,
        view: View,
        store: ReadStore,
        subscription: Subscription,
        progress: Progress,
        *,
        announce_from: int = 0,
    ) -> None:
        """`announce_from`: the view is shown to queries once it is as far as its predecessor was."""
        self._projection = projection
        self._view = view
        self._store = store
        self._subscription = subscription
        self._progress = progress
        self._announce_from = announce_from
        self._checkpoint = 0
        self._checkpoint_at = 0.0
        self._backoff = BACKOFF_MIN_SECONDS

    async def run(self) -> None:
        """Follow the log, for ever; returns if the view is gone. An error is tried again for ever."""
        while True:
            heed_cancellation()
            try:
                checkpoint = await self._store.checkpoint(self._view)
                if checkpoint is None:
                    return
                self._checkpoint = checkpoint
                await self._follow(checkpoint)
            except Exception as error:
                _log.error("%s does not move: %s", self._view.name, error, exc_info=error)
                self._progress.trouble(self._projection.name, error)
                await asyncio.sleep(self._backoff)
                self._backoff = min(self._backoff * 2, BACKOFF_MAX_SECONDS)

    async def _follow(self, position: int) -> None:
        self._announce(position)
        while True:
            heed_cancellation()
            events = await self._next(position)
            position = await self._apply(events, position)
            self._backoff = BACKOFF_MIN_SECONDS

    async def _next(self, position: int) -> list[Recorded[Any]]:
        events = await self._subscription.read(position)
        gather = self._store.gather_seconds
        if gather and 0 < len(events) < READ_EVENTS_MAX:
            await asyncio.sleep(gather)
            events = await self._subscription.read(position)
        return events

    async def _apply(self, events: Sequence[Recorded[Any]], position: int) -> int:
        """Write what the events change, up to the one that cannot be applied; then raise for it."""
        changes: list[Change] = []
        failure: ProjectionFailed | None = None
        for event in events:
            if event.position != position + 1:
                raise Corrupt(
                    f"position {event.position} follows {position}", position=position + 1
                )
            try:
                changes.extend(self._project(event))
            except Exception as error:
                failure = ProjectionFailed(
                    f"{self._projection.name} failed on position {event.position}: "
                    f"{type(error).__name__}: {error}",
                    position=event.position,
                )
                failure.__cause__ = error
                break
            position = event.position
            if len(changes) >= CHANGES_MAX:
                break
        await self._write(changes, position)
        self._announce(position)
        if failure is not None:
            raise failure
        return position

    def _project(self, event: Recorded[Any]) -> Sequence[Change]:
        reads = self._projection.reads
        return self._projection.project(event) if reads is None or type(event.data) in reads else ()

    async def _write(self, changes: Sequence[Change], position: int) -> None:
        now = asyncio.get_running_loop().time()
        due = position > self._checkpoint and now - self._checkpoint_at >= CHECKPOINT_SECONDS
        if changes or due:
            await self._store.apply(self._view, changes, position)
            self._checkpoint, self._checkpoint_at = position, now

    def _announce(self, position: int) -> None:
        if position >= self._announce_from:
            self._progress.advance(self._view, position)
