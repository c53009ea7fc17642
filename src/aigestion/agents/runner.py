"""Runs agents: from the position of an event that may be heard to the end of the run, once."""

from collections.abc import Iterable
from typing import Any

from aigestion.agents.definition import AgentDefinition
from aigestion.agents.deps import AgentDeps
from aigestion.agents.reaction import Reaction
from aigestion.agents.standing import Standing
from aigestion.commands.directory.define_agent import HEARD
from aigestion.events.conversation import UserAction, UserAskedAgain
from aigestion.events.recorded import Recorded
from aigestion.kernel.ids import derived_id
from aigestion.messaging.locks import Locks

_CAUSES = (*HEARD, UserAskedAgain.stored_as)


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
        cause = await self._event(position)
        heard = None if cause is None else await self._meant(cause)
        agent = None if cause is None else await self._standing.at(cause)
        if cause is None or heard is None or agent is None:
            return
        if isinstance(heard.data, UserAction) and heard.type not in agent.hears:
            return  # Nobody waits for an answer to it.
        async with self._locks.hold(f"run/{derived_id(cause.id, agent.name)}") as ours:
            if ours:
                await Reaction(self._deps, agent, heard, cause).carry_on()

    async def _meant(self, cause: Recorded[Any]) -> Recorded[Any] | None:
        """The message to reply to: the event itself, unless a user asks again about an earlier one."""
        if not isinstance(cause.data, UserAskedAgain):
            return cause
        message = await self._event(cause.data.event_position)
        return message if message is not None and message.id == cause.data.event_id else None

    async def _event(self, position: int) -> Recorded[Any] | None:
        events = await self._deps.reader.read(after=position - 1, limit=1)
        if not events or events[0].position != position or events[0].type not in _CAUSES:
            return None
        return events[0]
