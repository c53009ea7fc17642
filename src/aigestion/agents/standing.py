"""Which definition answers an event: the one its conversation holds on to, or the one that stood at it."""

from collections.abc import Iterable
from typing import Any

from aigestion.agents.definition import AgentDefinition, definition_of
from aigestion.events.conversation import ConversationStarted
from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.query import matching
from aigestion.queries.agents import versions_of


class Standing:
    """The program's agents, and those that tenants defined in the log."""

    def __init__(self, builtin: Iterable[AgentDefinition], reader: LogReader) -> None:
        self._builtin = {agent.name: agent for agent in builtin}
        self._reader = reader

    async def at(self, heard: Recorded[Any]) -> AgentDefinition | None:
        """The same for an event whenever it is asked; None if the agent is nobody's here."""
        name = getattr(heard.data, "agent", "")
        builtin = self._builtin.get(name)
        versions = [
            one.data
            for one in await versions_of(self._reader, heard.tenant, name)
            if one.position < heard.position
        ]
        if not versions:
            return builtin
        held = await self._held(heard)
        if held == 0:
            return builtin
        return definition_of(versions[-1 if held is None else held - 1])

    async def _held(self, heard: Recorded[Any]) -> int | None:
        """The version that the conversation was started with."""
        query = matching(
            f"conversation:{heard.data.conversation_id}", types=(ConversationStarted.stored_as,)
        )
        started = await self._reader.read(query.scoped(heard.tenant), limit=1)
        return started[0].data.agent_version if started else None
