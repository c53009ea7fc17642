"""Which faults there are, and which come when: all of it follows from the seed."""

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from aigestion.kernel.errors import InvalidInput

WEIGHTS: dict[str, int] = {
    "kill-api": 14,
    "kill-relay": 14,
    "kill-project": 12,
    "kill-agents": 10,
    "kill-nats": 10,
    "kill-postgres": 10,
    "kill-several": 6,
    "kill-all": 2,
    "pause-relay": 4,
    "broker-amnesia": 6,
    "stream-deleted": 3,
    "message-deleted": 4,
    "block-damaged": 3,
    "views-wiped": 3,
    "disk-full": 2,
    "postgres-disk-full": 2,
    "clock-step": 4,
    "provider-hang": 3,
    "provider-429": 3,
    "provider-garbage": 3,
    "partition": 5,
    "reset": 4,
    "half-open": 3,
    "delay": 2,
    "throttle": 2,
}
"""How often each kind comes, beside the others."""
NETWORK = ("partition", "reset", "half-open", "delay", "throttle")
PROVIDER = ("provider-hang", "provider-429", "provider-garbage")
SLOW = ("partition", "delay", "throttle", "clock-step", "disk-full", "postgres-disk-full")
"""Kinds that show only as long as they last."""
SLOW_SECONDS_MIN = 2.5
"""They last longer than the pause between two looks: what is gone before the second one nobody can tell."""
SEVERAL = 3
GAP_SECONDS_MAX = 0.2
LASTS_SECONDS_MAX = 8.0
"""What has no end of its own lasts up to this long: longer than any lease."""
LASTING = (*NETWORK, *PROVIDER, "clock-step")
"""Kinds during which the next ones come."""
LASTING_AT_ONCE_MAX = 3
OVERLAPPING = 0.25
"""The share of the others that do not wait until the system has got over the one before."""


class Planned(msgspec.Struct, frozen=True):
    """One fault to come."""

    kind: str
    pick: float
    """Chooses a victim among those there are: 0 to 1."""
    gap_seconds: float
    """Pause before it."""
    lasts_seconds: float
    """How long it lasts, if it does not end by itself."""
    overlaps: bool
    """Whether it comes before the system has got over the one before."""


def kinds_of(
    names: str | None, cannot: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, ...]:
    """The kinds that a list with commas names; for None all but those that this machine cannot have.

    `InvalidInput` names the unknown, and says of one that is asked for why it `cannot` be had.
    """
    if names is None:
        return tuple(kind for kind in WEIGHTS if kind not in cannot)
    asked = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if unknown := [name for name in asked if name not in WEIGHTS]:
        raise InvalidInput(
            f"There is no fault {', '.join(unknown)}; there are {', '.join(WEIGHTS)}."
        )
    if not asked:
        raise InvalidInput(f"Name at least one fault: {', '.join(WEIGHTS)}.")
    if hindered := [f"{name}: {cannot[name]}" for name in asked if name in cannot]:
        raise InvalidInput(f"This machine cannot have {'; '.join(hindered)}.")
    return asked


def planned(seed: int, count: int, kinds: Sequence[str]) -> list[Planned]:
    """So many faults; the same for the same seed and kinds. Every kind comes before one comes by weight."""
    rng = random.Random(seed)  # noqa: S311
    first = list(kinds)
    rng.shuffle(first)
    weights = [WEIGHTS[kind] for kind in kinds]
    drawn = rng.choices(list(kinds), weights, k=max(0, count - len(first)))
    return [
        Planned(
            kind,
            rng.random(),
            rng.uniform(0.0, GAP_SECONDS_MAX),
            LASTS_SECONDS_MAX * rng.random() ** 2,
            rng.random() < OVERLAPPING,
        )
        for kind in (first + drawn)[:count]
    ]


def seconds(plan: Planned) -> float:
    """How long this one lasts."""
    least = SLOW_SECONDS_MIN if plan.kind in SLOW else 0.0
    return max(plan.lasts_seconds, least)
