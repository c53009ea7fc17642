"""Runs agents: from the position of an event that may be heard to the end of the run, once."""

from collections.abc import Iterable
from typing import Any

from aigestion.agents.definition import AgentDefinition
from aigestion.agents.deps import AgentDeps
from aigestion.agents.reaction import Reaction
from aigestion.agents.standing import Standing
from aigestion.commands.directory.define_agent import HEARD
from aigestion.events.conversation import UserAction
from aigestion.events.recorded import Recorded
from aigestion.kernel.ids import derived_id
from aigestion.messaging.locks import Locks


class AgentRunner:
    """Whoever calls only says where to look: what is heard is read from the log, which alone is true."""

    def __init__(self, agents: Iterable[AgentDefinition], deps: AgentDeps, locks: Locks) -> None:
        self._standing = Standing(agents, deps.reader)
        self._deps = deps
        self._locks = locks

    async def react(self, position: int) -> None:
        """React to the event at this position, or go on where an earlier reaction ended.

        Harmless again and beside others. Raises `Unavailable` if the log does not answer.
        """
        heard = await self._heard(position)
        agent = None if heard is None else await self._standing.at(heard)
        if heard is None or agent is None:
            return
        if isinstance(heard.data, UserAction) and heard.type not in agent.hears:
            return  # Nobody waits for an answer to it.
        async with self._locks.hold(f"run/{derived_id(heard.id, agent.name)}") as ours:
            if ours:
                await Reaction(self._deps, agent, heard).carry_on()

    async def _heard(self, position: int) -> Recorded[Any] | None:
        events = await self._deps.reader.read(after=position - 1, limit=1)
        if not events or events[0].position != position or events[0].type not in HEARD:
            return None
        return events[0]
