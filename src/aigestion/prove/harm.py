"""Whether anything met a fault at all: one that nobody met has nothing to be told by."""

from collections.abc import Callable

NOTICED_SECONDS = 0.1
"""What is late by less was not late."""


class Harm:
    """What one fault did, noted by whatever it was done to."""

    def __init__(self, now: Callable[[], float], noticed_seconds: float = NOTICED_SECONDS) -> None:
        """`now` as the history counts; `noticed_seconds`: how late something must be to count."""
        self.met: list[float] = []
        """When something met it first; empty as long as nothing did."""
        self._now = now
        self._noticed_seconds = noticed_seconds

    def late(self, seconds: float) -> None:
        """Something came late by so much."""
        if seconds >= self._noticed_seconds:
            self.lost()

    def lost(self) -> None:
        """Something did not come at all."""
        if not self.met:
            self.met.append(self._now())
