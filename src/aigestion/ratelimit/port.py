"""The port of a rate limiter: one request judged against several sliding windows, all or nothing."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Window(msgspec.Struct, frozen=True):
    """No stretch of `seconds`, wherever it begins, holds more than `limit`."""

    name: str
    """Whose, and of what: `key:6f3c1c5e8a49/read`. Requests that name it alike share it."""
    limit: int
    """The sum of costs."""
    seconds: float


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a request is admitted; the figures are those of one window.

    If it is refused, of the refusing window that takes longest; if not, of the one with least left.
    """

    admitted: bool
    window: Window
    remaining: int
    """What is left of the limit."""
    reset_seconds: float
    """Until the whole limit is free again if nothing else is admitted."""
    retry_after_seconds: float
    """Until there is room for this cost; 0 if it is admitted."""

    @property
    def limit(self) -> int:
        return self.window.limit


class Standing(msgspec.Struct, frozen=True):
    """How one window stands after a request was judged; in milliseconds."""

    remaining: int
    reset_ms: int
    retry_after_ms: int


class RateLimiter(Protocol):
    """Counts what is admitted, exactly, to the millisecond of its own clock."""

    async def decide(self, group: str, windows: Sequence[Window], cost: int = 1) -> Decision:
        """Charge the cost to all windows, or, if one has no room for it, to none.

        Windows of one group may be judged together; one of another group is another window even if it
        is named alike. The cost is from 1 to the smallest limit. Raises `Unavailable` if it cannot tell.
        """
        ...


def check(windows: Sequence[Window], cost: int) -> None:
    """`ValueError` for a cost that no patience would get admitted, or no window at all."""
    if not windows or not 1 <= cost <= min(window.limit for window in windows):
        raise ValueError(f"a cost of {cost} does not fit into {list(windows)}")


def decided(admitted: bool, windows: Sequence[Window], standings: Sequence[Standing]) -> Decision:
    """The decision, told by the window a caller should mind."""
    told = 0
    for at in range(1, len(standings)):
        one, best = standings[at], standings[told]
        if one.remaining < best.remaining if admitted else one.retry_after_ms > best.retry_after_ms:
            told = at
    window, standing = windows[told], standings[told]
    return Decision(
        admitted=admitted,
        window=window,
        remaining=standing.remaining,
        reset_seconds=standing.reset_ms / 1000,
        retry_after_seconds=standing.retry_after_ms / 1000,
    )


def length_ms(window: Window) -> int:
    """The window's length in milliseconds."""
    return round(window.seconds * 1000)
