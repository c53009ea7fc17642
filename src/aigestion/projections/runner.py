"""The runner: applies the log to one view, in order, each event once, and stops in plain sight (law 4)."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.cancellation import heed_cancellation
from aigestion.kernel.errors import AIGestionError, Corrupt
from aigestion.messaging.subscription import READ_EVENTS_MAX, Subscription
from aigestion.projections.progress import Progress
from aigestion.projections.redrive import redrive_some
from aigestion.projections.writer import ViewWriter

BACKOFF_MIN_SECONDS = 0.1
BACKOFF_MAX_SECONDS = 5.0
ATTEMPTS_MAX = 8
"""An error of the store that nobody foresaw is tried so often (10 s), then the event it is about is parked."""
COMPARE_SECONDS = 5.0
"""How soon it is noticed, while nothing new comes, that the store has forgotten what was written."""
REDRIVE_POLL_SECONDS = 2.0
"""How soon a request to redrive parked events is noticed."""

_log = logging.getLogger(__name__)


class Runner:
    """Keeps one view up to date. At most one runner may write to a view at a time."""

    def __init__(
        self,
        writer: ViewWriter,
        subscription: Subscription,
        reader: LogReader,
        progress: Progress,
        *,
        announce_from: int = 0,
    ) -> None:
        """`announce_from`: the view is shown to queries once it is as far as its predecessor was."""
        self._writer = writer
        self._subscription = subscription
        self._reader = reader
        self._progress = progress
        self._announce_from = announce_from
        self._backoff = BACKOFF_MIN_SECONDS
        self._attempts = 0
        self._look_at = 0.0
        """When to look for requests again."""
        self._compared_at = 0.0

    async def run(self) -> None:
        """Follow the log, for ever; returns if the view is gone. An error is tried again for ever."""
        while True:
            heed_cancellation()
            try:
                if not await self._writer.open():
                    return
                await self._follow()
            except Exception as error:
                view = self._writer.view
                _log.error("%s does not move: %s", view.name, error, exc_info=error)
                self._attempts += not isinstance(error, AIGestionError)
                self._progress.trouble(view.projection, error)
                await asyncio.sleep(self._backoff)
                self._backoff = min(self._backoff * 2, BACKOFF_MAX_SECONDS)

    async def _follow(self) -> None:
        self._announce()
        while True:
            heed_cancellation()
            await self._redrive()
            events = await self._next(self._writer.position)
            await self._write(events)
            if not events:
                await self._compare()

    async def _next(self, position: int) -> list[Recorded[Any]]:
        events = await self._subscription.read(position)
        gather = self._writer.store.gather_seconds
        if gather and 0 < len(events) < READ_EVENTS_MAX:
            await asyncio.sleep(gather)
            events = await self._subscription.read(position)
        return events

    async def _write(self, events: Sequence[Recorded[Any]]) -> None:
        for expected, event in enumerate(events, self._writer.position + 1):
            if event.position != expected:
                raise Corrupt(
                    f"position {event.position} follows {expected - 1}", position=expected
                )
        giving_up = self._attempts >= ATTEMPTS_MAX
        try:
            await self._writer.write(events, giving_up=giving_up)
        except Exception:
            self._announce()  # what came before it is written
            raise
        self._announce()
        self._backoff, self._attempts = BACKOFF_MIN_SECONDS, 0

    async def _compare(self) -> None:
        """A store that came back from a crash with less is asked for it: no event may come to show it."""
        now = asyncio.get_running_loop().time()
        if now - self._compared_at >= COMPARE_SECONDS:
            self._compared_at = now
            await self._writer.compare()

    async def _redrive(self) -> None:
        """Do what was asked for, a slice at a time: the news wait no longer than that."""
        now = asyncio.get_running_loop().time()
        if not self._writer.parked or now < self._look_at:
            return
        more = await redrive_some(self._writer, self._reader)
        self._look_at = 0.0 if more else now + REDRIVE_POLL_SECONDS
        self._announce()

    def _announce(self) -> None:
        writer = self._writer
        if writer.position >= self._announce_from:
            self._progress.advance(writer.view, writer.position, writer.parked)
