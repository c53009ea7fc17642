"""The relay: one leader copies the log to the broker, whose last sequence is its only cursor (law 3)."""

import asyncio
import logging

from aigestion.eventstore.reader import LogReader
from aigestion.kernel.cancellation import heed_cancellation
from aigestion.kernel.clock import Clock, utc_now
from aigestion.kernel.errors import (
    AIGestionError,
    Corrupt,
    LogEpochMismatch,
    Misconfigured,
    SequenceMismatch,
    UnknownEvent,
)
from aigestion.messaging.cloudevents import to_message
from aigestion.messaging.epoch import last_in_common
from aigestion.messaging.log_order import event_at, next_events
from aigestion.messaging.port import Broker, Leadership, Tenure

BATCH_EVENTS_MAX = 150
"""What more would take stays with the process after an outage: 500 are a sixth faster, and leave 1.2 MiB, not 0.1."""
POLL_MIN_SECONDS = 0.02
POLL_MAX_SECONDS = 1.0
BACKOFF_MIN_SECONDS = 0.05
BACKOFF_MAX_SECONDS = 2.0
STOPPED_RETRY_SECONDS = 5.0

_FOR_A_PERSON = (LogEpochMismatch, Misconfigured)
_FOR_A_NEWER_PROGRAM = (UnknownEvent, Corrupt)

_log = logging.getLogger(__name__)


class Relay:
    """Publishes every event once, in order, at the sequence that equals its position.

    Safe beside another relay: what a former leader still sends is refused by the broker. The
    attributes are for health, status and metrics.
    """

    def __init__(
        self,
        reader: LogReader,
        broker: Broker,
        leadership: Leadership,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._reader = reader
        self._broker = broker
        self._leadership = leadership
        self._clock = clock
        self._news = asyncio.Event()
        self.is_leader = False
        self.tenures = 0
        """How often this process began to lead: a leader that changes shows, however short that was."""
        self.last_position: int | None = None
        """The broker's last sequence as this leader knows it; None if it does not."""
        self._acknowledged = 0
        """Up to where the broker had everything when this process last led, or leads."""
        self.published = 0
        """Events this relay has published."""
        self.rewinds = 0
        """How often the broker had less than it had acknowledged: safe, but somebody should know."""
        self.retries = 0
        """How often a refusal, a time-out or an outage made it start over."""
        self.stopped_because: AIGestionError | None = None
        """Why nothing is published, if that takes a person or a newer program to change."""

    def wake(self, _position: int | None = None) -> None:
        """Look at the log now: something was appended. A hint; polling is the truth."""
        self._news.set()

    async def run(self) -> None:
        """Lead whenever possible, for ever; returns if a person must decide (`stopped_because`)."""
        while not isinstance(self.stopped_because, _FOR_A_PERSON):
            async with self._leadership.held() as tenure:
                self.is_leader = True
                self.tenures += 1
                try:
                    await self._lead(tenure)
                except (*_FOR_A_PERSON, *_FOR_A_NEWER_PROGRAM) as error:
                    self.stopped_because = error
                    _log.critical("the relay has stopped: %s", error)
                finally:
                    self.is_leader = False
                    self.last_position = None
            if isinstance(self.stopped_because, _FOR_A_NEWER_PROGRAM):
                # Not leading meanwhile: a standby may know the event that this program does not.
                await asyncio.sleep(STOPPED_RETRY_SECONDS)

    async def _lead(self, tenure: Tenure) -> None:
        """Publish until leadership is lost or something stops the line."""
        backoff = BACKOFF_MIN_SECONDS
        while not tenure.lost:
            heed_cancellation()
            try:
                self.last_position = await self._find_last()
                await self._publish_after(self.last_position, tenure)
                backoff = BACKOFF_MIN_SECONDS
            except (*_FOR_A_PERSON, *_FOR_A_NEWER_PROGRAM):
                raise
            except Exception as error:
                # The log or the broker is away, or refused: start over with what the broker has.
                self.retries += 1
                _log.warning("the relay starts over: %s", error)
                if not isinstance(error, SequenceMismatch):
                    await asyncio.sleep(backoff)
                    backoff = min(backoff * 2, BACKOFF_MAX_SECONDS)

    async def _publish_after(self, last: int, tenure: Tenure) -> None:
        """Publish what is new, and wait for more, until it has been quiet for a while."""
        pause = POLL_MIN_SECONDS
        while not tenure.lost:
            heed_cancellation()
            self._news.clear()
            events = await next_events(self._reader, last, BATCH_EVENTS_MAX)
            self.stopped_because = None
            if events:
                await self._broker.publish(map(to_message, events))
                self.last_position = self._acknowledged = last = events[-1].position
                self.published += len(events)
                pause = POLL_MIN_SECONDS
                continue
            try:
                async with asyncio.timeout(pause):
                    await self._news.wait()
            except TimeoutError:
                if pause >= POLL_MAX_SECONDS:
                    return
                pause = min(pause * 2, POLL_MAX_SECONDS)

    async def _find_last(self) -> int:
        """Where the broker stands; makes the stream if there is none."""
        last = await last_in_common(self._broker, self._reader)
        if last is None:
            first = await self._first_to_keep()
            await self._broker.create(first)
            how_bad = logging.INFO if first == 1 else logging.WARNING
            _log.log(how_bad, "the broker had no stream; a new one starts at position %d", first)
            last = first - 1
        if last < self._acknowledged:
            self.rewinds += 1
            _log.error(
                "the broker has lost positions %d to %d, sending them again",
                last + 1,
                self._acknowledged,
            )
        self._acknowledged = last
        return last

    async def _first_to_keep(self) -> int:
        """The first position young enough for the stream: found by halving, positions are dense."""
        since = self._clock() - self._broker.retention
        low, high = 1, await self._reader.head() + 1
        while low < high:
            middle = (low + high) // 2
            if (await event_at(self._reader, middle)).recorded_at < since:
                low = middle + 1
            else:
                high = middle
        return low
