"""Slopes and drifts, read off samples."""

from collections.abc import Iterable, Sequence

import msgspec

from bench.results import percentile

LIFE_SECONDS_MIN = 60.0
"""A process that was killed sooner says nothing of where its memory goes."""


class Sample(msgspec.Struct, frozen=True):
    """One look at one process. `at` in seconds since the load began."""

    name: str
    pid: int
    at: float
    rss_mib: float
    descriptors: int


def slope_per_hour(
    samples: Iterable[Sample], warm_seconds: float, value: str = "rss_mib"
) -> float | None:
    """How much `value` grows in an hour, by least squares over all lives of a process, each with a start of its own.

    The first `warm_seconds` of each life are left out. None if no life was long enough.
    """
    lives: dict[int, list[Sample]] = {}
    for one in samples:
        lives.setdefault(one.pid, []).append(one)
    covariance = variance = 0.0
    for life in lives.values():
        begun = life[0].at
        warm = [one for one in life if one.at - begun >= warm_seconds]
        if not warm or warm[-1].at - warm[0].at < LIFE_SECONDS_MIN:
            continue
        middle = sum(one.at for one in warm) / len(warm)
        mean = sum(getattr(one, value) for one in warm) / len(warm)
        covariance += sum((one.at - middle) * (getattr(one, value) - mean) for one in warm)
        variance += sum((one.at - middle) ** 2 for one in warm)
    return covariance / variance * 3600 if variance else None


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
