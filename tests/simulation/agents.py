"""`aigestion agents` on the doubles: the program's own worker, sweep, reactions and runs; a model that misbehaves."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from aigestion.agents.catalog import AGENTS
from aigestion.agents.context import ContextSearch
from aigestion.agents.definition import Limits
from aigestion.agents.deps import AgentDeps
from aigestion.agents.model_calls import ModelCalls
from aigestion.agents.reactions import Reactions
from aigestion.agents.runner import AgentRunner
from aigestion.agents.sweep import Sweep
from aigestion.agents.worker import AgentWorker
from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import Unavailable
from aigestion.kernel.ids import derived_id
from aigestion.llm.port import ChatRequest, Done, Failed, StreamEvent, TextDelta
from aigestion.messaging.locks import Locks
from aigestion.messaging.port import Delta
from aigestion.messaging.postgres_locks import PostgresLocks
from aigestion.queries.answer import Answer
from aigestion.queries.runs import UnfinishedRun
from tests.simulation.program import DSN, Durable, Log

LIMITS = Limits(
    call_seconds_max=6.0, context_seconds_max=3.0, backoff_seconds=0.5, pause_seconds_max=5.0
)
AGENT = AGENTS[0].name
ENDS = ("agent.replied", "run.failed", "run.cancelled")


class Model:
    """A provider: what it is asked is counted, for it costs money."""

    provider = "simulated"
    model = "dice"

    def __init__(self, chance: random.Random) -> None:
        self.parameters: dict[str, Any] = {}
        self.asked: Counter[UUID] = Counter()
        self.said: dict[UUID, str] = {}
        self._chance = chance

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamEvent]:
        chance, call_id = self._chance, request.call_id
        self.asked[call_id] += 1
        luck = chance.random()
        await asyncio.sleep(chance.random() * (20.0 if luck < 0.08 else 0.8))
        if luck < 0.3:
            yield Failed("overloaded", "too much to do", retryable=True)
            return
        if luck < 0.34:
            raise ConnectionError("the adapter has a fault")
        text = f"answer {len(self.said)}"
        self.said[call_id] = text
        yield TextDelta(text)
        await asyncio.sleep(chance.random() * 0.5)
        if luck < 0.4:
            yield Failed("cut-off", "it broke off", retryable=True)
            return
        yield Done("dice-1", "stop", {}, 1, 1)


class _Searches:
    """Read models that find nothing, or do not answer."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    async def turns(self, *_: Any, min_position: int = 0, **__: Any) -> Answer[list[Any]]:
        return await self._nothing(min_position)

    async def passages(self, *_: Any, min_position: int = 0, **__: Any) -> Answer[list[Any]]:
        return await self._nothing(min_position)

    async def nearest(self, *_: Any, **__: Any) -> Answer[list[Any]]:
        return await self._nothing(0)

    async def _nothing(self, position: int) -> Answer[list[Any]]:
        await asyncio.sleep(self._chance.random() * 0.01)
        if self._chance.random() < 0.03:
            raise Unavailable("the read model is away", engine="postgres")
        return Answer(position, [])


class _NoLocks:
    """Whoever asks may work."""

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[bool]:
        yield True


class _Live:
    async def publish(self, tenant: str, delta: Delta) -> None:
        await asyncio.sleep(0)


class Unfinished:
    """What the read model of runs tells the sweep, read from the log itself."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._events: list[Recorded[Any]] = []

    async def unfinished(
        self, agents: Sequence[str], *, idle_before: datetime, limit: int
    ) -> list[UnfinishedRun]:
        self._events += await self._reader.read(after=len(self._events))
        open_runs: dict[UUID, UnfinishedRun] = {}
        for one in self._events:
            if one.type == "user.chat":
                run_id = derived_id(one.id, AGENT)
                open_runs[run_id] = _heard(one, run_id)
            elif (run := open_runs.get(getattr(one.data, "run_id", None))) is not None:
                if one.type in ENDS:
                    del open_runs[run.run_id]
                else:
                    open_runs[run.run_id] = msgspec.structs.replace(
                        run, state="started", touched_at=one.recorded_at
                    )
        return [run for run in open_runs.values() if run.touched_at <= idle_before][:limit]


def _heard(one: Recorded[Any], run_id: UUID) -> UnfinishedRun:
    return UnfinishedRun(
        run_id=run_id,
        tenant=one.tenant,
        conversation_id=one.data.conversation_id,
        agent=AGENT,
        in_reply_to=one.id,
        event_position=one.position,
        state="heard",
        touched_at=one.recorded_at,
    )


class _Hearing:
    """Stands for the subscription: what is heard comes from `Reacting.hear`."""

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()


class Reacting:
    """One process that runs agents."""

    def __init__(self, durable: Durable) -> None:
        self._log = log = Log(durable)
        chance = random.Random(durable.database.chance.random())
        searches: Any = _Searches(chance)
        deps = AgentDeps(
            dispatcher=log.dispatcher(durable),
            reader=log.reader,
            search=ContextSearch(searches, searches, searches),
            model=durable.model,
            live=_Live(),
            hashes=log.vault,
            blobs=durable.blobs,
            clock=durable.database.now,
        )
        agents = [msgspec.structs.replace(agent, limits=LIMITS) for agent in AGENTS]
        locks: Locks = PostgresLocks(DSN) if durable.has_locks else _NoLocks()
        runner = AgentRunner(agents, deps, locks)
        self._reactions = Reactions(runner.react)
        sweep = Sweep(
            Unfinished(log.reader), log.reader, self._reactions, _names, clock=durable.database.now
        )
        self._worker = AgentWorker(_Hearing(), sweep, self._reactions, ModelCalls())  # type: ignore[arg-type]
        self._is_open = False

    async def run(self) -> None:
        await self._log.start_appending()
        self._is_open = True
        await self._worker.run()

    def hear(self, position: int) -> None:
        """A message of the broker says that there is something at this position."""
        if self._is_open:
            self._reactions.begin(position)


async def _names() -> Sequence[str]:
    return [agent.name for agent in AGENTS]
