"""One schedule: a seed, the world it makes, and what became of it."""

import asyncio
import gc
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.simulation.checks import unrest, violations
from tests.simulation.clients import Clients
from tests.simulation.nemesis import break_things, heal
from tests.simulation.program import Api, Projecting, Relaying
from tests.simulation.world import World

SEED = "AIGESTION_SIMULATION_SEED"
"""Set, it is the one schedule to play."""
REST_SECONDS_MAX = 120.0
LOG_AND_VIEW = {
    "api-1": Api,
    "api-2": Api,
    "relay-1": Relaying,
    "relay-2": Relaying,
    "project-1": Projecting,
    "project-2": Projecting,
}


@dataclass
class Verdict:
    """What a schedule came to."""

    seed: int
    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    trace: int = 0
    steps: int = 0
    seconds: float = 0.0


def seeds(count: int) -> Iterable[int]:
    """The first so many, or the one somebody asks for."""
    asked = os.environ.get(SEED)
    return range(count) if asked is None else [int(asked)]


def told(verdict: Verdict, test: str) -> str:
    """What went wrong, and how to see it again."""
    path = Path(test).relative_to(Path(__file__).parents[2])
    return f"{SEED}={verdict.seed} .venv/bin/pytest --numprocesses=0 {path}\n    " + "\n    ".join(
        verdict.violations[:5]
    )


def played(seed: int, programs: Mapping[str, Any]) -> Verdict:
    """Play the schedule of a seed to its end."""
    verdict = Verdict(seed)
    world = World(seed, programs)

    async def story(world: World) -> None:
        clients = Clients(world, bursts=world.chance.randint(2, 5))
        breaking = asyncio.create_task(break_things(world))
        await clients.run()
        await breaking
        heal(world)
        restless = await _rest(world)
        verdict.violations = await violations(world, clients)
        if restless:
            verdict.violations.append(f"no rest: {restless}")
        verdict.counts = _counts(world, clients)

    world.run(story)
    verdict.trace, verdict.steps = world.loop.trace, world.loop.steps
    verdict.seconds = world.loop.time()
    gc.collect(0)
    return verdict


async def _rest(world: World) -> str | None:
    """Wait until all work is done; what is left of it if it never is."""
    deadline = world.loop.time() + REST_SECONDS_MAX
    while (left := unrest(world)) is not None and world.loop.time() < deadline:
        await asyncio.sleep(0.2)
    return left


def _counts(world: World, clients: Clients) -> Counter[str]:
    counts = world.counts + world.nats.counts + world.database.counts
    counts.update(f"command {sent.fate}" for sent in clients.sent)
    counts["events"] = len(world.database.log.events)
    return counts
