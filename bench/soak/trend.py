"""Slopes and drifts, read off samples."""

from collections.abc import Sequence
from statistics import linear_regression

import msgspec

from bench.results import percentile

SECONDS_MIN = 60.0
"""Less than that says nothing of where memory goes."""


class Sample(msgspec.Struct, frozen=True):
    """One look at one process. `at` in seconds since the load began."""

    name: str
    pid: int
    at: float
    rss_mib: float
    descriptors: int


def slope_per_hour(
    samples: Sequence[Sample], warm_seconds: float, value: str = "rss_mib"
) -> float | None:
    """How much `value` grows in an hour, by least squares, after the first `warm_seconds`.

    None for a process that was started again, or watched for too short a time.
    """
    warm = [one for one in samples if one.at - samples[0].at >= warm_seconds]
    if len({one.pid for one in samples}) > 1 or not warm:
        return None
    if warm[-1].at - warm[0].at < SECONDS_MIN:
        return None
    slope, _ = linear_regression([one.at for one in warm], [getattr(one, value) for one in warm])
    return slope * 3600


class Answer(msgspec.Struct, frozen=True):
    """When a request was sent, in seconds since the load began, and how long it took."""

    at: float
    seconds: float


def drift(
    answers: Sequence[Answer], faults: Sequence[float], warm_seconds: float, after_fault: float
) -> tuple[float, float]:
    """p99 in milliseconds of the first half and of the second, away from faults."""
    quiet = [
        one
        for one in answers
        if one.at >= warm_seconds and not any(0 <= one.at - at < after_fault for at in faults)
    ]
    middle = len(quiet) // 2
    halves = ([one.seconds for one in part] for part in (quiet[:middle], quiet[middle:]))
    first, second = (percentile(half, 0.99) * 1e3 for half in halves)
    return first, second
