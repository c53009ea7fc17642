"""A rate limiter in this process: for one process, or for when the shared one is away."""

import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Sequence

from aigestion.ratelimit.port import Decision, Standing, Window, check, decided, length_ms

WINDOWS_MAX = 20_000
"""Past that the window that has not been asked for longest is forgotten."""


def monotonic_ms() -> int:
    """A clock that nobody sets."""
    return time.monotonic_ns() // 1_000_000


class MemoryRateLimiter:
    """A `RateLimiter`. Its logs are those of `sliding_window.lua`, where the why is told."""

    def __init__(
        self, *, clock_ms: Callable[[], int] = monotonic_ms, windows_max: int = WINDOWS_MAX
    ) -> None:
        self._clock_ms = clock_ms
        self._windows_max = windows_max
        self._logs: OrderedDict[tuple[str, str], _Log] = OrderedDict()

    async def decide(self, group: str, windows: Sequence[Window], cost: int = 1) -> Decision:
        """See the port. Never waits, and never raises `Unavailable`."""
        return self.decide_now(group, windows, cost)

    def decide_now(self, group: str, windows: Sequence[Window], cost: int = 1) -> Decision:
        """The same, for those who cannot wait."""
        check(windows, cost)
        now = self._clock_ms()
        self._sweep(now, len(windows))
        logs = [self._log(group, window) for window in windows]
        admitted = True
        for log, window in zip(logs, windows, strict=True):
            log.forget(now)
            admitted = admitted and log.used + cost <= window.limit
        standings = []
        for log, window in zip(logs, windows, strict=True):
            wait = 0
            if admitted:
                log.add(now, cost)
            elif log.used + cost > window.limit:
                wait = log.ms_until_room(now, cost, window.limit)
            left = max(0, window.limit - log.used)
            standings.append(Standing(left, log.ms_until_free(now), wait))
        return decided(admitted, windows, standings)

    def full(self, group: str, window: Window) -> bool:
        """Whether nothing more would be admitted at present; charges nothing."""
        log = self._logs.get((group, window.name))
        if log is None:
            return False
        log.forget(self._clock_ms())
        return log.used >= window.limit

    def _log(self, group: str, window: Window) -> "_Log":
        name = group, window.name
        log = self._logs.get(name)
        if log is None or log.length_ms != length_ms(window):
            log = self._logs[name] = _Log(length_ms(window))
        self._logs.move_to_end(name)
        return log

    def _sweep(self, now: int, count: int) -> None:
        """As many as may come with a decision go, if they have run out: only those in use stay."""
        for _ in range(min(count, len(self._logs))):
            oldest = next(iter(self._logs.values()))
            if oldest.ms_until_free(now) > 0 and len(self._logs) < self._windows_max:
                return
            self._logs.popitem(last=False)


class _Log:
    """When something was admitted, and how much by then in all; entries before `start` have run out."""

    __slots__ = ("base", "length_ms", "times", "totals", "used")

    def __init__(self, length_ms: int) -> None:
        self.length_ms = length_ms
        self.times: list[int] = []
        self.totals: list[int] = []
        self.base = 0
        """The total where counting begins."""
        self.used = 0

    def forget(self, now: int) -> None:
        if not self.times or self.times[0] >= now - self.length_ms:
            return
        gone = bisect_left(self.times, now - self.length_ms)
        self.base = self.totals[gone - 1]
        self.used = self.totals[-1] - self.base
        del self.times[:gone], self.totals[:gone]

    def add(self, now: int, cost: int) -> None:
        self.used += cost
        total = self.base + self.used
        if self.times and self.times[-1] == now:
            self.totals[-1] = total
        else:
            self.times.append(now)
            self.totals.append(total)

    def ms_until_free(self, now: int) -> int:
        return self.times[-1] + self.length_ms + 1 - now if self.times else 0

    def ms_until_room(self, now: int, cost: int, limit: int) -> int:
        enough = self.base + self.used + cost - limit
        return self.times[bisect_left(self.totals, enough)] + self.length_ms + 1 - now
