"""Does to the system what the plan says, and notes what it did."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from aigestion.prove.faults import NETWORK, SEVERAL, Planned, seconds
from aigestion.prove.harm import Harm
from aigestion.prove.history import Fault, History
from aigestion.prove.network import edge_of, fail_network
from aigestion.prove.node import Node
from aigestion.prove.stand_ins import Mode
from aigestion.prove.system import System

PROVIDER_SECONDS = 2.5
"""How long the provider misbehaves: longer than its callers' patience."""
PROVIDER_UNMET_SECONDS_MAX = 8.0
"""And how long at most, if nobody has called it meanwhile."""
TAKEOVER_SECONDS_MAX = 15.0
PAUSE_AFTER_TAKEOVER_SECONDS = 1.0
CALM_SECONDS_MAX = 30.0
STARTING_MAX = 2
"""So many processes may still be starting when the next fault comes."""
CLOCK_STEP_SECONDS = 3_600
UNHEARD_SECONDS = 0.6
"""How long a reader does not hear what the broker then loses."""
POLL_SECONDS = 0.05


class Done(NamedTuple):
    """What a fault came to."""

    victims: tuple[str, ...]
    lost_messages: int = 0
    """Acknowledged messages that the broker lost."""
    met: list[float] | None = None
    """As `Fault.met`."""


class Injector:
    """One run's faults. Of those at once, two to the same part come one after the other."""

    def __init__(self, system: System, history: History) -> None:
        self._system = system
        self._history = history
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def inject(self, plan: Planned) -> Fault:
        """Do it. Returns when what was killed is being started again."""
        async with self._turns[self._part(plan)]:
            fault = Fault(kind=plan.kind, victims=(), at=self._history.now())
            fault.victims, fault.lost_messages, fault.met = await self._done(plan)
            fault.ended_at = self._history.now()
        self._history.faults.append(fault)
        self._history.write("fault", fault)
        return fault

    async def calm(self, fault: Fault) -> None:
        """Wait, not for ever, until a command sent after the fault is answered and few processes start."""
        deadline = self._history.now() + CALM_SECONDS_MAX
        while self._history.now() < deadline:
            if self._goes_on(fault) and await self._starting() <= STARTING_MAX:
                return
            await asyncio.sleep(POLL_SECONDS)

    def _part(self, plan: Planned) -> str:
        """What no other fault may be at work on meanwhile."""
        if plan.kind in NETWORK:
            return edge_of(self._system.wires, plan)
        return plan.kind.partition("-")[0]

    def _goes_on(self, fault: Fault) -> bool:
        recent = reversed(self._history.operations[-200:])
        return any(one.outcome == "acked" and one.sent_at >= fault.at for one in recent)

    async def _starting(self) -> int:
        asked = [node.get("/health/live") for node in self._system.nodes.values()]
        return sum(status != 200 for status, _ in await asyncio.gather(*asked))

    async def _done(self, plan: Planned) -> Done:
        system = self._system
        if plan.kind in NETWORK:
            victims, met = await fail_network(system.wires, plan, self._history.now)
            return Done(victims, met=met)
        match plan.kind.partition("-"):
            case "kill", _, "nats":
                await system.broker.kill()
                return Done(("nats",))
            case "kill", _, "postgres":
                await system.kill_postgres()
                return Done(("postgres",))
            case "kill", _, "several":
                return Done(await self._kill(self._some(plan.pick)))
            case "kill", _, "all":
                return Done(await self._kill((*system.nodes, "nats", "postgres")))
            case "kill", _, role:
                return Done(await self._kill((self._one(system.of_role(role), plan.pick).name,)))
            case "broker", _, _:
                return Done(("nats",), await system.broker.roll_back())
            case "message", _, _:
                [reader] = system.of_role("project")
                wire = system.wires[f"{reader.name}→nats"]
                erased = await system.broker.erase_unheard(reader, wire, UNHEARD_SECONDS)
                return Done((reader.name, "nats"), erased)
            case "block", _, _:
                return Done(("nats",), await system.broker.flip_bit(plan.pick))
            case "disk", _, _:
                await system.broker.fill_disk(seconds(plan))
                return Done(("nats",))
            case "postgres", _, _:
                harm = Harm(self._history.now)
                await system.fill_postgres_disk(seconds(plan), harm)
                return Done(("postgres",), met=harm.met)
            case "clock", _, _:
                return Done(await self._step_clock(plan))
            case "views", _, _:
                wiped, served = await system.wipe_views(plan.pick)
                return Done(wiped, met=[self._history.now()] if served else [])
            case "stream", _, _:
                return Done(("nats",), await system.broker.empty())
            case "provider", _, how:
                return await self._misbehave(how)  # type: ignore[arg-type]
            case _:
                return await self._pause_leader()

    async def _kill(self, names: Sequence[str]) -> tuple[str, ...]:
        engines = {"nats": self._system.broker.kill, "postgres": self._system.kill_postgres}
        for name in names:
            if name in self._system.nodes:
                self._system.nodes[name].kill()
        await asyncio.gather(*(engines[name]() for name in names if name in engines))
        return tuple(names)

    def _one(self, nodes: Sequence[Node], pick: float) -> Node:
        return nodes[int(pick * len(nodes))]

    def _some(self, pick: float) -> tuple[str, ...]:
        names = [*self._system.nodes, "nats", "postgres"]
        first = int(pick * len(names))
        step = 1 + int(pick * 1000) % 3
        return tuple(names[(first + step * n) % len(names)] for n in range(SEVERAL))

    async def _misbehave(self, how: Mode) -> Done:
        provider = self._system.provider
        harm = provider.harm = Harm(self._history.now)
        provider.mode = how
        try:
            until = self._history.now() + PROVIDER_UNMET_SECONDS_MAX
            await asyncio.sleep(PROVIDER_SECONDS)
            while not harm.met and self._history.now() < until:
                await asyncio.sleep(POLL_SECONDS)
        finally:
            provider.mode, provider.harm = "well", None
        return Done(("provider",), met=harm.met)

    async def _step_clock(self, plan: Planned) -> tuple[str, ...]:
        """One process's clock goes an hour forward or back for a while, and is right again at once."""
        nodes = list(self._system.nodes.values())
        scaled = plan.pick * len(nodes)
        node = nodes[int(scaled)]
        step = CLOCK_STEP_SECONDS if scaled % 1 < 0.5 else -CLOCK_STEP_SECONDS
        node.step_clock(step)
        try:
            await asyncio.sleep(seconds(plan))
        finally:
            node.step_clock(0)
        return node.name, f"{step:+d} s"

    async def _pause_leader(self) -> Done:
        """Stop the leading relay, take its lock from it as a dead machine's is taken, and wake it beside the next."""
        leader = await self._system.leading_relay()
        if leader is None or not leader.pause():
            return Done((), met=[])
        try:
            await self._system.cut_sessions("relay")
            deadline = self._history.now() + TAKEOVER_SECONDS_MAX
            while self._history.now() < deadline:
                if (await self._system.leading_relay()) is not None:
                    break
                await asyncio.sleep(POLL_SECONDS)
            await asyncio.sleep(PAUSE_AFTER_TAKEOVER_SECONDS)
        finally:
            leader.resume()
        return Done((leader.name,))
