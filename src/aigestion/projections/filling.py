"""Filling a view from the log, as fast as it may: read and project the next batch while one is written."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import CheckpointMoved, ProjectionFailed
from aigestion.projections.projection import Projection
from aigestion.projections.runner import CHANGES_MAX
from aigestion.projections.stages import OnProgress, Stage, nobody
from aigestion.readstores.port import Change, ReadStore, View

FILL_EVENTS_MAX = 2_000
"""Events read at once; a batch is at most `PAGES_IN_BATCH_MAX` times as many."""
PAGES_IN_BATCH_MAX = 5
PACED_EVENTS_MAX = 50
"""Read at once beside queries: what a store makes of a batch blocks the event loop."""
PROJECTED_AT_ONCE_MAX = 100
"""A few milliseconds: then whoever shares the event loop has a turn."""


class _Batch(msgspec.Struct, frozen=True):
    changes: list[Change]
    position: int
    is_last: bool


async def fill(
    projection: Projection,
    view: View,
    store: ReadStore,
    reader: LogReader,
    *,
    pace: float = 1.0,
    on_progress: OnProgress = nobody,
    stage: Stage = "filling",
) -> int:
    """Put into the view what the log has, from its checkpoint to the end; returns the new checkpoint.

    `pace` is the share of the time it may use: below 1 it works in small batches and rests between
    them. Stopped at any moment, it goes on where the checkpoint is. Raises `ProjectionFailed` and
    `UnknownEvent` with the position, and what `ReadStore.apply` raises.
    """
    position = await store.checkpoint(view)
    if position is None:
        raise CheckpointMoved(f"The view {view.name} is gone.", view=view.name)
    now = asyncio.get_running_loop().time
    events_max = FILL_EVENTS_MAX if pace >= 1 else min(PACED_EVENTS_MAX, FILL_EVENTS_MAX)
    writing: asyncio.Task[None] | None = None
    on_progress(position, max(position, await reader.head()), stage)
    begun = now()
    try:
        async with aclosing(_batches(projection, reader, position, events_max)) as batches:
            async for batch in batches:
                if writing is not None:
                    await writing
                    on_progress(position, max(position, await reader.head()), stage)
                position = batch.position
                writing = asyncio.create_task(
                    store.apply(view, batch.changes, position, visible=batch.is_last)
                )
                if pace < 1:
                    await writing
                    await asyncio.sleep((now() - begun) * (1 / pace - 1))
                    begun = now()
        if writing is not None:
            await writing
        on_progress(position, max(position, await reader.head()), stage)
    finally:
        if writing is not None:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
    return position


async def _batches(
    projection: Projection, reader: LogReader, position: int, events_max: int
) -> AsyncGenerator[_Batch, None]:
    """As many events as have changes for a batch: where few have, a batch is many pages long."""
    types = projection.types
    changes: list[Change] = []
    began_at = position
    full = True
    while full:
        page = await reader.page(position, events_max, types)
        full = page.is_full
        for n, event in enumerate(page.events, 1):
            changes.extend(_project(projection, event))
            if len(changes) >= CHANGES_MAX:
                yield _Batch(changes, event.position, is_last=False)
                changes, began_at = [], event.position
            if n % PROJECTED_AT_ONCE_MAX == 0:
                await asyncio.sleep(0)
        position = page.last
        if not full or position - began_at >= events_max * PAGES_IN_BATCH_MAX:
            yield _Batch(changes, position, is_last=not full)
            changes, began_at = [], position


def _project(projection: Projection, event: Recorded[Any]) -> Sequence[Change]:
    try:
        return projection.project(event)
    except Exception as error:
        raise ProjectionFailed(
            f"{projection.name} failed on position {event.position}: "
            f"{type(error).__name__}: {error}",
            position=event.position,
        ) from error
