"""Filling a view from the log, as fast as it may: read and project the next batch while one is written."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader, Page
from aigestion.kernel.errors import ChangeRejected, CheckpointMoved
from aigestion.projections.pace import ALONE, Pace, paced_pages
from aigestion.projections.stages import OnProgress, Stage, nobody
from aigestion.projections.writer import ViewWriter
from aigestion.readstores.port import Change

BATCH_EVENTS_MAX = 30_000
"""Events of a batch: few of them may have changes."""
SHARED_BATCH_EVENTS_MAX = 250
"""The same beside queries: nobody waits longer for a batch than for a slow query."""
FILL_CHANGES_MAX = 10_000
"""Changes written at once: more than when events arrive, for nobody waits for the first of them."""
PACKED_CHANGES_MAX = 30_000
"""The same where they are packed: a tenth of the memory each."""
PROJECTED_AT_ONCE_MAX = 100
"""A few milliseconds: then whoever shares the event loop has a turn."""

_log = logging.getLogger(__name__)


async def fill(
    writer: ViewWriter,
    reader: LogReader,
    *,
    pace: Pace = ALONE,
    on_progress: OnProgress = nobody,
    stage: Stage = "filling",
) -> int:
    """Put into the view what the log has, from its checkpoint to the end; returns the new checkpoint.

    While its pace is shared with queries it works in small batches and rests between them; without one
    it never is. Stopped at any moment, it goes on where the checkpoint is. What cannot be applied is parked,
    as the runner does it. Raises `UnknownEvent` with the position, and what `ViewWriter.write` raises.
    """
    if not await writer.open():
        raise CheckpointMoved(f"The view {writer.view.name} is gone.", view=writer.view.name)
    filling = _Filling(writer, reader, pace, on_progress, stage)
    await filling.tell()
    if writer.parked or not await filling.whole():
        await filling.event_by_event()
    await writer.settle()
    await filling.tell()
    return writer.position


class _SomethingToPark(Exception):
    """An event cannot be projected: from here on each is looked at by itself."""


class _Filling:
    """One view, filled up to the end of the log."""

    def __init__(
        self,
        writer: ViewWriter,
        reader: LogReader,
        pace: Pace,
        on_progress: OnProgress,
        stage: Stage,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._pace = pace
        self._changes_max = FILL_CHANGES_MAX if writer.packs is None else PACKED_CHANGES_MAX
        self._on_progress = on_progress
        self._stage = stage

    async def tell(self) -> None:
        """Say how far the view is."""
        position = self._writer.position
        self._on_progress(position, max(position, await self._reader.head()), self._stage)

    async def whole(self) -> bool:
        """Fill it batch by batch, as long as nothing is to be parked; False if something is, from there on."""
        writing: asyncio.Task[None] | None = None
        try:
            async with aclosing(self._batches()) as batches:
                async for packed, position, is_last in batches:
                    if writing is not None:
                        await writing
                        await self.tell()
                    take = self._writer.take(packed, position, visible=is_last)
                    writing = asyncio.create_task(take)
                    if self._pace.is_shared:
                        await writing
            if writing is not None:
                await writing
        except (_SomethingToPark, ChangeRejected) as error:
            if writing is not None:
                await asyncio.gather(writing, return_exceptions=True)
            _log.info("%s is filled event by event: %s", self._writer.view.name, error)
            return False
        finally:
            if writing is not None:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
        return True

    async def event_by_event(self) -> None:
        """Fill the rest of it; what cannot be applied is parked, with what follows of its key."""
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                await self._writer.write(page.events, page.last, visible=not page.is_full)
                await self.tell()

    def _pages(self) -> AsyncGenerator[Page, None]:
        return paced_pages(
            self._reader, self._writer.position, self._writer.projection.types, self._pace
        )

    async def _batches(self) -> AsyncGenerator[tuple[list[Any], int, bool], None]:
        """Packed changes, the position they lead to, and whether they are the last.

        Where few events have changes, a batch is many pages long.
        """
        began_at = self._writer.position
        batch: list[Any] = []
        made = 0
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                changes: list[Change] = []
                for n, event in enumerate(page.events, 1):
                    changes += self._projected(event)
                    if made + len(changes) >= self._changes_max:
                        batch += await self._writer.pack(changes)
                        yield batch, event.position, False
                        batch, changes, made, began_at = [], [], 0, event.position
                    if n % PROJECTED_AT_ONCE_MAX == 0:
                        await asyncio.sleep(0)
                made += len(changes)
                batch += await self._writer.pack(changes)
                events_max = SHARED_BATCH_EVENTS_MAX if self._pace.is_shared else BATCH_EVENTS_MAX
                if not page.is_full or page.last - began_at >= events_max:
                    yield batch, page.last, not page.is_full
                    batch, made, began_at = [], 0, page.last

    def _projected(self, event: Recorded[Any]) -> list[Change]:
        try:
            return list(self._writer.projection.project(event))
        except Exception as error:
            raise _SomethingToPark(f"position {event.position} cannot be projected") from error
