"""What one side did in one cell."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Measured:
    """Rates in appends a second, latencies in milliseconds, CPU in microseconds an append."""

    rate: float
    p50: float = 0.0
    p99: float = 0.0
    group_size: float = 0.0
    client_cpu: float = 0.0
    server_cpu: float = 0.0


def median_of(rounds: list[Measured]) -> Measured:
    """Field by field."""
    return Measured(*(median(getattr(one, name) for one in rounds) for name in _FIELDS))


_FIELDS = tuple(Measured.__dataclass_fields__)
