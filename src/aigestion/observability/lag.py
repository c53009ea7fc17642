"""How far behind the log a part of the system is, in events and in seconds, and whether it moves at all."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from aigestion.kernel.cancellation import heed_cancellation
from aigestion.kernel.errors import AIGestionError

POLL_SECONDS = 1.0
SAMPLE_SECONDS = 0.5
SAMPLES_MAX = 4_096
"""Half an hour of a head that moves all the time; who is behind for longer is behind by at least that."""
STALLED_SECONDS = 30.0

Positions = Callable[[], Mapping[str, int]]
"""Where each part of this process is, by its name."""


class _Seen(NamedTuple):
    at: float
    head: int


class HeadWatch:
    """The head of the log as this process saw it move, and where its parts were meanwhile."""

    def __init__(self, head: int = 0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[_Seen] = deque([_Seen(clock(), head)], SAMPLES_MAX)
        self._parts: dict[str, tuple[int, float]] = {}
        """Position of each part, and since when it has been there."""

    @property
    def head(self) -> int:
        return self._seen[-1].head

    def move(self, head: int) -> None:
        """The log ends here now. Cheap: called after every commit."""
        last = self._seen[-1]
        if head <= last.head:
            return
        now = self._clock()
        if now - last.at < SAMPLE_SECONDS and len(self._seen) > 1:
            self._seen[-1] = _Seen(last.at, head)
        else:
            self._seen.append(_Seen(now, head))

    def note(self, part: str, position: int) -> None:
        """A part is here now."""
        known = self._parts.get(part)
        if known is None or known[0] != position:
            self._parts[part] = position, self._clock()

    def lag_events(self, position: int) -> int:
        return max(0, self.head - position)

    def lag_seconds(self, position: int) -> float:
        """For how long the log has had something beyond this position; 0 if it has not."""
        missed = next((seen.at for seen in self._seen if seen.head > position), None)
        return 0.0 if missed is None else max(0.0, self._clock() - missed)

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
