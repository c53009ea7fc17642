"""A progress bar on standard error, for a person who has waited longer than a second."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

PATIENCE_SECONDS = 1.0


class Advance(Protocol):
    """Tell how far the work is; `total` once it is known, `stage` if it has several."""

    def __call__(
        self, reached: int, total: int | None = None, stage: str | None = None, /
    ) -> None: ...


@contextmanager
def progress(title: str, total: int | None = None, *, shown: bool = True) -> Iterator[Advance]:
    """Yields a function to tell how far the work is; silent when nobody sits at a terminal.

    `shown=False` for work that writes to that terminal itself.
    """
    if not shown or not sys.stderr.isatty():
        yield _ignore
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(title, total=total, rate="")
    begun = time.monotonic()
    stages: dict[str | None, tuple[float, int]] = {}

    def advance(reached: int, total: int | None = None, stage: str | None = None, /) -> None:
        if stage not in stages:
            stages[stage] = (time.monotonic(), reached)
            bar.reset(
                task, total=total, description=title if stage is None else f"{title}: {stage}"
            )
        since, first = stages[stage]
        seconds = time.monotonic() - since
        rate = f"{(reached - first) / seconds:,.0f}/s" if seconds > 0 else ""
        bar.update(task, completed=reached, total=total, rate=rate)
        if not bar.live.is_started and time.monotonic() - begun > PATIENCE_SECONDS:
            bar.start()

    try:
        yield advance
    finally:
        bar.stop()


def _ignore(_reached: int, _total: int | None = None, _stage: str | None = None, /) -> None:
    """Nobody looks."""
