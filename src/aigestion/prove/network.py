"""Faults of the network: one edge at a time, for a while."""

import asyncio
from collections.abc import Mapping

from aigestion.prove.faults import Planned
from aigestion.prove.wire import Wire

NETWORK = ("partition", "reset", "half-open", "delay", "throttle")
DELAY_SECONDS_MAX = 0.4
THROTTLED_BYTES_PER_SECOND = 64 * 1024
WAYS = ("both ways", "requests", "replies")


async def fail_network(wires: Mapping[str, Wire], plan: Planned) -> tuple[str, ...]:
    """Do it to one edge, which is whole again when this returns; what was done it to."""
    names = list(wires)
    scaled = plan.pick * len(names)
    name = names[int(scaled)]
    wire = wires[name]
    victims: tuple[str, ...] = (name,)
    try:
        match plan.kind:
            case "partition":
                way = WAYS[int(scaled % 1 * len(WAYS))]
                victims = (name, way)
                _hold(wire, way)
            case "reset":
                wire.refusing = True
                wire.reset()
            case "half-open":
                wire.forget()
                return victims
            case "delay":
                wire.delay_seconds_max = DELAY_SECONDS_MAX
            case _:
                wire.bytes_per_second = THROTTLED_BYTES_PER_SECOND
        await asyncio.sleep(plan.lasts_seconds)
    finally:
        wire.mend()
    return victims


def _hold(wire: Wire, way: str) -> None:
    if way != "replies":
        wire.requests.clear()
    if way != "requests":
        wire.replies.clear()
