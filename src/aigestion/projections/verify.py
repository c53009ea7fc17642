"""Proof that a view equals the fold of the log; or the first row that does not."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import LogEpochMismatch, NotFound
from aigestion.messaging.subscription import READ_EVENTS_MAX
from aigestion.projections.filling import PROJECTED_AT_ONCE_MAX
from aigestion.projections.fingerprint import Fingerprint
from aigestion.projections.fold import Difference, Fold, same
from aigestion.projections.pace import ALONE, Pace, paced_pages
from aigestion.projections.projection import Projection
from aigestion.projections.quarantine import Quarantine
from aigestion.projections.rows_on_disk import Key
from aigestion.projections.stages import OnProgress, nobody
from aigestion.readstores.parked import ParkedKey
from aigestion.readstores.port import Change, ReadStore, Row, View

COMPARISONS_MAX = 3
"""Parked events may be redriven while a view is compared; it is compared again then."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify` found."""

    view: str
    position: int
    """The checkpoint at which the view was compared."""
    expected: Fingerprint
    found: Fingerprint
    """Of the rows as they were read; of a view that moves meanwhile it may differ without harm."""
    differing_rows: int
    first: Difference | None
    """The one that an event touched first."""
    parked: int = 0
    """Events in quarantine: the view lacks them, and they were left out of the fold too."""
    parked_from: int | None = None
    """Position of the first of them."""

    @property
    def equal(self) -> bool:
        """Whether the view is what the log makes it; one with parked events is not."""
        return self.differing_rows == 0 and self.parked == 0


async def verify(
    projection: Projection,
    view: View,
    store: ReadStore,
    reader: LogReader,
    quarantine: Quarantine,
    *,
    pace: Pace = ALONE,
    on_progress: OnProgress = nobody,
) -> Verdict:
    """Fold the log, but for what is parked, up to the view's checkpoint and compare every row.

    The view may move meanwhile, and need not be paused: a row that differs is right after all if
    it is what the log makes it at a position the view has passed since, or may be writing now.
    Memory does not grow with the log, only with what differs. Raises `NotFound` if there is no such
    view, `LogEpochMismatch` if it knows more than the log.
    """
    for _ in range(COMPARISONS_MAX):
        checkpoint = await _checkpoint(view, store, reader)
        parked = await quarantine.keys(view)  # afterwards: so it has all that is lacking
        expected = _leaving_out(parked, checkpoint, projection)
        verdict = await _compared(expected, view, store, reader, checkpoint, pace, on_progress)
        after = await quarantine.keys(view) if verdict.differing_rows else parked
        if all(key in after and after[key].position == one.position for key, one in parked.items()):
            break
    return msgspec.structs.replace(
        verdict,
        parked=sum(one.events for one in parked.values()),
        parked_from=min((one.position for one in parked.values()), default=None),
    )


async def _checkpoint(view: View, store: ReadStore, reader: LogReader) -> int:
    checkpoint = await store.checkpoint(view)
    if checkpoint is None:
        raise NotFound(f"there is no view {view.name}")
    head = await reader.head()
    if checkpoint > head:
        raise LogEpochMismatch(f"{view.name} is at {checkpoint}, the log ends at {head}")
    return checkpoint


def _leaving_out(
    parked: Mapping[str, ParkedKey], checkpoint: int, projection: Projection
) -> Projection:
    """The projection without what is parked; nor does it fail on what the view has not come to."""

    def project(event: Recorded[Any]) -> Sequence[Change]:
        key = projection.key(event) if parked else None
        first = parked.get(key) if key is not None else None
        if first is not None and event.position >= first.position:
            return ()
        try:
            return projection.project(event)
        except Exception:
            if event.position > checkpoint:
                return ()
            raise

    return replace(projection, project=project)


async def _compared(
    projection: Projection,
    view: View,
    store: ReadStore,
    reader: LogReader,
    checkpoint: int,
    pace: Pace,
    on_progress: OnProgress,
) -> Verdict:
    fold = Fold(projection)
    await _fold_up_to(fold, projection, checkpoint, reader, pace, on_progress)
    suspects, found = await fold.differences(store.rows(view), pace)
    if store.kept_since is not None:
        _excuse_expired(suspects, fold, store.kept_since)
    # Rows that are equal have equal fingerprints: no need to add up a million of them twice.
    expected = fold.fingerprint if suspects else found
    described = {key: fold.difference(key, row) for key, row in suspects.items()}
    if suspects:
        # Effects come before the checkpoint: one batch may be written and not yet accounted for.
        seen = (await store.checkpoint(view) or checkpoint) + READ_EVENTS_MAX
        await _clear(suspects, fold, projection, min(seen, await reader.head()), reader)
    differing = [described[key] for key in suspects]
    return Verdict(
        view=view.name,
        position=checkpoint,
        expected=expected,
        found=found,
        differing_rows=len(differing),
        first=min(differing, key=_order, default=None),
    )


def _excuse_expired(suspects: dict[Key, Row | None], fold: Fold, kept_since: datetime) -> None:
    """A row that is missing because its time is over is no fault."""
    for key in [key for key, row in suspects.items() if row is None]:
        expected = fold.row(key)
        occurred_at = None if expected is None else expected.fields.get("occurred_at")
        if isinstance(occurred_at, str):
            occurred_at = datetime.fromisoformat(occurred_at)
        if isinstance(occurred_at, datetime) and occurred_at < kept_since:
            del suspects[key]


async def _fold_up_to(
    fold: Fold,
    projection: Projection,
    end: int,
    reader: LogReader,
    pace: Pace,
    on_progress: OnProgress,
) -> None:
    pages = paced_pages(reader, fold.position, projection.types, pace, upto=end)
    async with aclosing(pages):
        async for page in pages:
            for n, event in enumerate(page.events, 1):
                fold.apply(event)
                if n % PROJECTED_AT_ONCE_MAX == 0:
                    await asyncio.sleep(0)
            fold.passes(page.last)
            on_progress(fold.position, end, "comparing")


async def _clear(
    suspects: dict[Key, Row | None],
    fold: Fold,
    projection: Projection,
    end: int,
    reader: LogReader,
) -> None:
    """Acquit the rows that a later event explains."""
    types = projection.types
    async with aclosing(reader.pages(fold.position, READ_EVENTS_MAX, types, upto=end)) as pages:
        async for page in pages:
            for event in page.events:
                if fold.apply(event):
                    for key in [k for k, row in suspects.items() if same(fold.row(k), row)]:
                        del suspects[key]
            if not suspects:
                return
            fold.passes(page.last)


def _order(difference: Difference) -> tuple[bool, int, str, str]:
    position = difference.position
    return position is None, position or 0, difference.collection, difference.key
