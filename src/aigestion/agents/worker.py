"""Everything a process needs to be one that runs agents: hear, sweep, and end in good order."""

import asyncio

from aigestion.agents.model_calls import ModelCalls
from aigestion.agents.reactions import Reactions
from aigestion.agents.subscriber import AgentSubscriber
from aigestion.agents.sweep import Sweep


class AgentWorker:
    """Any number of processes may run one: locks and the log keep each run single."""

    def __init__(
        self, subscriber: AgentSubscriber, sweep: Sweep, reactions: Reactions, calls: ModelCalls
    ) -> None:
        self.calls = calls
        """What the reactions asked of models."""
        self._subscriber = subscriber
        self._sweep = sweep
        self._reactions = reactions

    @property
    def going_on(self) -> int:
        """How many reactions are under way or wait for room."""
        return self._reactions.going_on

    async def run(self) -> None:
        """React until cancelled; then take up nothing more, and let what goes on end (bounded)."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._subscriber.run(), name="agents hear")
                tasks.create_task(self._sweep.run(), name="agents sweep")
        finally:
            await self._reactions.drain()
