"""What a process knows of its engines: whether each answers, after how long, and how often it did not."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aigestion.kernel.cancellation import heed_cancellation
from aigestion.kernel.errors import Unavailable
from aigestion.kernel.timings import Timings

BUCKETS = (0.005, 0.025, 0.1, 0.25, 1.0, 2.5)
"""Upper bounds, in seconds."""

_log = logging.getLogger(__name__)


class Engine:
    """One engine as it shows when it is asked. The attributes are for metrics."""

    def __init__(
        self,
        name: str,
        ask: Callable[[], Awaitable[float]],
        reconnects: Callable[[], int] = lambda: 0,
    ) -> None:
        """`ask` says how many seconds an answer took; whatever it raises means that there is none."""
        self.name = name
        self.is_up: bool | None = None
        """None before it was asked."""
        self.failures = 0
        self.round_trips = Timings(BUCKETS)
        self._ask = ask
        self._reconnects = reconnects

    @property
    def reconnects(self) -> int:
        return self._reconnects()

    async def look(self) -> None:
        """Ask once. `Unavailable` if it does not answer."""
        try:
            seconds = await self._ask()
        except Exception as error:
            self.is_up = False
            self.failures += 1
            _log.debug("%s does not answer: %s", self.name, error)
            raise Unavailable(f"{self.name} does not answer", engine=self.name) from error
        self.is_up = True
        self.round_trips.note(seconds)

    async def watch(self, pause_seconds: float) -> None:
        """Ask again and again, for ever."""
        while True:
            heed_cancellation()
            with suppress(Unavailable):  # it is counted
                await self.look()
            await asyncio.sleep(pause_seconds)
