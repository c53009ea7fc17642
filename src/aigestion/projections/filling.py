"""Filling a view from the log, as fast as it may: read and project the next batch while one is written."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import CheckpointMoved
from aigestion.projections.stages import OnProgress, Stage, nobody
from aigestion.projections.writer import Batch, ViewWriter

FILL_EVENTS_MAX = 500
"""Events read at once: few, so that they are still in the processor's cache when they are projected."""
PAGES_IN_BATCH_MAX = 20
"""A batch is at most so many times `FILL_EVENTS_MAX`."""
FILL_CHANGES_MAX = 10_000
"""Changes written at once: more than when events arrive, for nobody waits for the first of them."""
PACED_EVENTS_MAX = 50
"""Read at once beside queries: what a store makes of a batch blocks the event loop."""
PROJECTED_AT_ONCE_MAX = 100
"""A few milliseconds: then whoever shares the event loop has a turn."""


async def fill(
    writer: ViewWriter,
    reader: LogReader,
    *,
    pace: float = 1.0,
    on_progress: OnProgress = nobody,
    stage: Stage = "filling",
) -> int:
    """Put into the view what the log has, from its checkpoint to the end; returns the new checkpoint.

    `pace` is the share of the time it may use: below 1 it works in small batches and rests between
    them. Stopped at any moment, it goes on where the checkpoint is. What cannot be applied is parked,
    as the runner does it. Raises `UnknownEvent` with the position, and what `ViewWriter.commit` raises.
    """
    if not await writer.open():
        raise CheckpointMoved(f"The view {writer.view.name} is gone.", view=writer.view.name)
    position = writer.position
    now = asyncio.get_running_loop().time
    events_max = FILL_EVENTS_MAX if pace >= 1 else min(PACED_EVENTS_MAX, FILL_EVENTS_MAX)
    writing: asyncio.Task[None] | None = None
    on_progress(position, max(position, await reader.head()), stage)
    begun = now()
    try:
        async with aclosing(_batches(writer, reader, position, events_max)) as batches:
            async for batch, is_last in batches:
                if writing is not None:
                    await writing
                    on_progress(position, max(position, await reader.head()), stage)
                position = batch.position
                writing = asyncio.create_task(writer.commit(batch, visible=is_last))
                if pace < 1:
                    await writing
                    await asyncio.sleep((now() - begun) * (1 / pace - 1))
                    begun = now()
        if writing is not None:
            await writing
        await writer.settle()
        on_progress(position, max(position, await reader.head()), stage)
    finally:
        if writing is not None:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
    return position


async def _batches(
    writer: ViewWriter, reader: LogReader, position: int, events_max: int
) -> AsyncGenerator[tuple[Batch, bool], None]:
    """Batches, and whether each is the last. Where few events have changes, one is many pages long."""
    batch = Batch(position)
    began_at = position
    async with aclosing(reader.pages(position, events_max, writer.projection.types)) as pages:
        async for page in pages:
            for n, event in enumerate(page.events, 1):
                writer.add(batch, event)
                if batch.stop is not None:
                    yield batch, True
                    return
                if batch.changes >= FILL_CHANGES_MAX:
                    yield batch, False
                    batch, began_at = Batch(event.position), event.position
                if n % PROJECTED_AT_ONCE_MAX == 0:
                    await asyncio.sleep(0)
            batch.position = page.last
            if not page.is_full or page.last - began_at >= events_max * PAGES_IN_BATCH_MAX:
                yield batch, not page.is_full
                batch, began_at = Batch(page.last), page.last
