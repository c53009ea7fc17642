"""How far behind the log a part of the system is, in events and in seconds, and whether it moves at all."""

import asyncio
import time
from array import array
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from aigestion.kernel.cancellation import heed_cancellation
from aigestion.kernel.errors import AIGestionError

POLL_SECONDS = 1.0
SAMPLE_SECONDS = 0.5
SAMPLES_MAX = 8_192
"""An hour of a head that moves all the time, of which at least half is kept; who is behind for longer is behind
by at least that."""
STALLED_SECONDS = 30.0

Positions = Callable[[], Mapping[str, int]]
"""Where each part of this process is, by its name."""


class HeadWatch:
    """The head of the log as this process saw it move, and where its parts were meanwhile."""

    def __init__(self, head: int = 0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heads = array("q", [head])
        """Always higher. Numbers in a row: they are kept for an hour, and take 128 KiB and no more."""
        self._seen_at = array("d", [clock()])
        self._parts: dict[str, tuple[int, float]] = {}
        """Position of each part, and since when it has been there."""

    @property
    def head(self) -> int:
        return self._heads[-1]

    def move(self, head: int) -> None:
        """The log ends here now. Cheap: called after every commit."""
        if head <= self._heads[-1]:
            return
        now = self._clock()
        if now - self._seen_at[-1] < SAMPLE_SECONDS and len(self._heads) > 1:
            self._heads[-1] = head
            return
        if len(self._heads) == SAMPLES_MAX:
            del self._heads[: SAMPLES_MAX // 2], self._seen_at[: SAMPLES_MAX // 2]
        self._heads.append(head)
        self._seen_at.append(now)

    def note(self, part: str, position: int) -> None:
        """A part is here now."""
        known = self._parts.get(part)
        if known is None or known[0] != position:
            self._parts[part] = position, self._clock()

    def lag_events(self, position: int) -> int:
        return max(0, self.head - position)

    def lag_seconds(self, position: int) -> float:
        """For how long the log has had something beyond this position; 0 if it has not."""
        missed = bisect_right(self._heads, position)
        return (
            0.0 if missed == len(self._heads) else max(0.0, self._clock() - self._seen_at[missed])
        )

    def stalled(self, part: str) -> bool:
        """The head moves and this part does not: it has been behind, at one place, for too long."""
        position, since = self._parts.get(part, (self.head, self._clock()))
        behind = min(self.lag_seconds(position), self._clock() - since)
        return behind >= STALLED_SECONDS


async def watch_head(
    watch: HeadWatch, head: Callable[[], Awaitable[int]], positions: Positions
) -> None:
    """Ask the log for its head and the parts for their places, for ever."""
    while True:
        heed_cancellation()
        with suppress(AIGestionError):  # it is asked again in a moment
            watch.move(await head())
        for part, position in positions().items():
            watch.note(part, position)
        await asyncio.sleep(POLL_SECONDS)
