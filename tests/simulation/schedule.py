"""One schedule: a seed, the world it makes, and what became of it."""

import asyncio
import gc
import os
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.agents import Model, Reacting
from tests.simulation.checks import calls_lost, unrest, violations
from tests.simulation.clients import Clients
from tests.simulation.nats_double import Kept
from tests.simulation.nemesis import break_once_more, break_things, heal
from tests.simulation.program import Api, Projecting, Relaying
from tests.simulation.world import World

SEED = "AIGESTION_SIMULATION_SEED"
"""Set, it is the one schedule to play."""
WITHOUT_LOCKS_EVERY = 3
REST_SECONDS_MAX = 120.0
LOG_AND_VIEW = {
    "api-1": Api,
    "api-2": Api,
    "relay-1": Relaying,
    "relay-2": Relaying,
    "project-1": Projecting,
    "project-2": Projecting,
}
RUNS = {
    "api-1": Api,
    "api-2": Api,
    "relay-1": Relaying,
    "agents-1": Reacting,
    "agents-2": Reacting,
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


def rare(verdicts: Sequence[Verdict], schedules: int, *faults: str) -> dict[str, int]:
    """Those of these faults that happened less than 20 times; a test of faults that are rare says nothing."""
    if len(verdicts) < schedules:
        pytest.skip("one schedule is played again")
    return {what: n for what in faults if (n := happened(verdicts, what)) < 20}


def happened(verdicts: Sequence[Verdict], what: str) -> int:
    """How often something happened in all schedules."""
    return sum(verdict.counts[what] for verdict in verdicts)


def played(seed: int, programs: Mapping[str, Any]) -> Verdict:
    """Play the schedule of a seed to its end."""
    verdict = Verdict(seed)
    world = World(seed, programs)
    world.durable.has_locks = seed % WITHOUT_LOCKS_EVERY != 0
    world.durable.model = Model(random.Random(f"model {seed}"))
    world.nats.on_stored = lambda sequence, kept: _tell_agents(world, sequence, kept)

    async def story(world: World) -> None:
        clients = Clients(world, bursts=world.chance.randint(2, 5))
        breaking = asyncio.create_task(break_things(world))
        await clients.run()
        await breaking
        break_once_more(world)
        heal(world)
        restless = await _rest(world)
        verdict.violations = await violations(world, clients)
        if restless:
            verdict.violations.append(f"no rest: {restless}")
        verdict.counts = _counts(world, clients)
        verdict.counts["calls lost in a crash"] = await calls_lost(world)

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


def _tell_agents(world: World, sequence: int, kept: Kept) -> None:
    """The subscription all agents share: to one of them; at times to nobody, or to two."""
    if not kept.subject.endswith("user.chat") or not world.of("agents"):
        return
    for _ in range(world.chance.choice((0, 1, 1, 2, 3))):
        process = world.chance.choice(world.of("agents"))
        life = process.life
        late = world.chance.choice((0.0, 0.0, world.chance.random() * 3))
        world.loop.call_later(
            world.nats.latency() + late, process.program.hear, sequence, context=life.context
        )


def _counts(world: World, clients: Clients) -> Counter[str]:
    counts = world.counts + world.nats.counts + world.database.counts
    counts.update(f"command {sent.fate}" for sent in clients.sent)
    counts.update(one.type for one in world.database.log.events)
    counts["calls of the model"] = sum(world.durable.model.asked.values())
    counts["events"] = len(world.database.log.events)
    return counts
