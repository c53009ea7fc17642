"""Faults of the network: one edge at a time, for a while."""

import asyncio
from collections.abc import Callable, Mapping

from aigestion.prove.faults import Planned, seconds
from aigestion.prove.harm import NOTICED_SECONDS, Harm
from aigestion.prove.wire import Wire

DELAY_SECONDS_MAX = 0.4
THROTTLED_BYTES_PER_SECOND = 64 * 1024
THROTTLE_NOTICED_SECONDS = 1.0
"""A line is narrow for who has to wait on it: a small piece passes as ever."""
WAYS = ("both ways", "requests", "replies")


def edge_of(wires: Mapping[str, Wire], plan: Planned) -> str:
    """The one that the fault is for."""
    return list(wires)[int(plan.pick * len(wires))]


async def fail_network(
    wires: Mapping[str, Wire], plan: Planned, now: Callable[[], float]
) -> tuple[tuple[str, ...], list[float]]:
    """Do it to one edge, which is whole again when this returns: (what it was done to, when it was met first)."""
    name = edge_of(wires, plan)
    wire = wires[name]
    victims: tuple[str, ...] = (name,)
    harm = wire.harm = Harm(
        now, THROTTLE_NOTICED_SECONDS if plan.kind == "throttle" else NOTICED_SECONDS
    )
    try:
        match plan.kind:
            case "partition":
                way = WAYS[int(plan.pick * len(wires) % 1 * len(WAYS))]
                victims = (name, way)
                _hold(wire, way)
            case "reset":
                wire.refusing = True
                wire.reset()
            case "half-open":
                wire.forget()
                return victims, harm.met
            case "delay":
                wire.delay_seconds_max = DELAY_SECONDS_MAX
            case _:
                wire.bytes_per_second = THROTTLED_BYTES_PER_SECOND
        await asyncio.sleep(seconds(plan))
    finally:
        wire.mend()
    return victims, harm.met


def _hold(wire: Wire, way: str) -> None:
    if way != "replies":
        wire.requests.clear()
    if way != "requests":
        wire.replies.clear()
