"""Whether the clock on the wall jumps while this process runs."""

import time
from collections.abc import Callable

from aigestion.kernel.clock import Clock, utc_now

STEP_SECONDS_MIN = 1.0
"""What a clock that is slowly put right never does between two looks."""


class WallClock:
    """Compared with the one that only ever goes on."""

    def __init__(
        self, *, clock: Clock = utc_now, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.steps = 0
        """How often it was set, forward or back."""
        self._clock = clock
        self._monotonic = monotonic
        self._ahead = self._difference()

    def look(self) -> None:
        """Cheap: called about once a second."""
        ahead = self._difference()
        self.steps += abs(ahead - self._ahead) >= STEP_SECONDS_MIN
        self._ahead = ahead

    def _difference(self) -> float:
        return self._clock().timestamp() - self._monotonic()
