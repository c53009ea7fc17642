"""One subscription a process: recent events in memory for any number of readers, each at its own position.

The broker only makes it fast. What it did not bring, twice, late or never, comes from the log (law 4).
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Any

import msgspec

from aigestion.events.catalog import Catalog
from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.cancellation import heed_cancellation
from aigestion.kernel.errors import AIGestionError, LogEpochMismatch
from aigestion.messaging.cloudevents import from_message
from aigestion.messaging.epoch import last_in_common
from aigestion.messaging.log_order import next_events
from aigestion.messaging.port import Broker, Message

RECENT_EVENTS_MAX = 4_096
RECENT_BYTES_MAX = 32 * 1024 * 1024
READ_EVENTS_MAX = 500
QUIET_SECONDS = 0.5
"""How long a reader waits for news; after that it may compare itself with the log."""
BACKOFF_SECONDS = 1.0
LOST_TAILS_MAX = 2
"""A broker that stayed silent this often while the log moved on gets a new consumer."""

_log = logging.getLogger(__name__)


class Subscription:
    """Hands out the events of the log in order, without a hole, to readers that ask by position."""

    def __init__(self, broker: Broker, reader: LogReader, catalog: Catalog) -> None:
        self._broker = broker
        self._reader = reader
        self._catalog = catalog
        self._recent: list[Recorded[Any]] = []
        """Adjacent; ends at `_tip`."""
        self._sizes: list[int] = []
        self._bytes = 0
        self._tip: int | None = None
        self._news = asyncio.Event()
        self.gaps = 0
        """How often positions were missing in what the broker brought."""
        self.lost_tails = 0
        """How often the log had moved on and the broker had said nothing."""
        self.epoch_mismatch: LogEpochMismatch | None = None
        """Why the broker is not listened to: it follows another log. The log is read instead."""

    async def read(self, after: int, limit: int = READ_EVENTS_MAX) -> list[Recorded[Any]]:
        """The events at `after + 1`, `after + 2`…, at least one, or none if it is quiet.

        Raises `UnknownEvent` or `Corrupt` with `details["position"]` if the next event cannot be
        opened, `Unavailable` if it must come from the log and the log does not answer.
        """
        if self._tip is None or after >= self._tip:
            await self._wait_beyond(after)
            if self._tip is None or after >= self._tip:
                return []
        start = after + 1 - (self._tip + 1 - len(self._recent))
        if start >= 0:
            return self._recent[start : start + limit]
        events = await next_events(self._reader, after, limit)
        if not events:
            # Known to be there a moment ago: the log was cut off. Nobody shall spin on that.
            await asyncio.sleep(QUIET_SECONDS)
        return events

    async def run(self) -> None:
        """Listen to the broker and watch the head of the log, for ever."""
        while True:
            heed_cancellation()
            try:
                if self._tip is None:
                    self._jump(await self._reader.head())
                if await self._broker_follows_log():
                    await self._listen()
                else:
                    await self._check_head()
                    await asyncio.sleep(QUIET_SECONDS)
            except Exception as error:
                _log.warning("the subscription starts over: %s", error)
                await asyncio.sleep(BACKOFF_SECONDS)

    async def _listen(self) -> None:
        """Take what the broker brings, until it has missed too much."""
        assert self._tip is not None
        missed = 0
        async with aclosing(self._broker.messages(self._tip)) as batches:  # type: ignore[type-var]
            async for batch in batches:
                if batch:
                    self._take(batch)
                    missed = 0
                elif await self._check_head():
                    missed += 1
                    if missed >= LOST_TAILS_MAX:
                        return

    async def _broker_follows_log(self) -> bool:
        try:
            await last_in_common(self._broker, self._reader)
        except LogEpochMismatch as error:
            if self.epoch_mismatch is None:
                _log.critical("the broker is not listened to: %s", error)
            self.epoch_mismatch = error
        except AIGestionError as error:
            _log.debug("nothing to hear for the time being: %s", error)
            self.epoch_mismatch = None
        else:
            self.epoch_mismatch = None
        return self.epoch_mismatch is None

    async def _check_head(self) -> bool:
        """The watermark: whether the log has more than the broker brought (law 4)."""
        head = await self._reader.head()
        assert self._tip is not None
        if head <= self._tip:
            return False
        self.lost_tails += 1
        self._jump(head)
        return True

    def _take(self, batch: Sequence[Message]) -> None:
        assert self._tip is not None
        for message in batch:
            if message.position <= self._tip:
                continue
            if message.position > self._tip + 1:
                self.gaps += 1
                self._jump(message.position - 1)
            event = self._opened(message)
            if event is None:
                self._jump(message.position)
            else:
                self._recent.append(event)
                self._sizes.append(len(message.data))
                self._bytes += len(message.data)
                self._tip = message.position
        self._forget_oldest()
        self._announce()

    def _opened(self, message: Message) -> Recorded[Any] | None:
        """The event, or None: then readers meet it in the log, and whatever is wrong with it."""
        try:
            return from_message(message, self._catalog)
        except (AIGestionError, msgspec.MsgspecError, KeyError, ValueError) as error:
            _log.warning("the message at %d cannot be read: %s", message.position, error)
            return None

    def _jump(self, position: int) -> None:
        """Leave a hole: readers that are not there yet read up to `position` from the log."""
        self._recent, self._sizes, self._bytes = [], [], 0
        self._tip = position
        self._announce()

    def _forget_oldest(self) -> None:
        # By halves, because moving a list is dear.
        while len(self._recent) > RECENT_EVENTS_MAX or self._bytes > RECENT_BYTES_MAX:
            half = (len(self._recent) + 1) // 2
            self._bytes -= sum(self._sizes[:half])
            del self._recent[:half], self._sizes[:half]

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _wait_beyond(self, position: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                while self._tip is None or position >= self._tip:
                    await self._news.wait()
