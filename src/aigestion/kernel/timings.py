"""How long things took, counted cheaply: plain numbers, for one thread."""

from bisect import bisect_left


class Timings:
    """How many took how long."""

    def __init__(self, buckets: tuple[float, ...]) -> None:
        """`buckets`: upper bounds, in seconds."""
        self.buckets = buckets
        self.counts = [0] * (len(buckets) + 1)
        self.sum = 0.0

    def note(self, seconds: float) -> None:
        """One more took so long."""
        self.counts[bisect_left(self.buckets, seconds)] += 1
        self.sum += seconds
