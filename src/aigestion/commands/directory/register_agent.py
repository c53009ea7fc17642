"""Use case: register an agent with a tenant, or change what it hears."""

import msgspec

from aigestion.events.directory import AgentRegistered
from aigestion.kernel.decider import UseCase
from aigestion.kernel.query import matching


class RegisterAgent(msgspec.Struct, frozen=True):
    agent: str
    description: str
    hears: tuple[str, ...]


def decide(command: RegisterAgent, state: AgentRegistered | None) -> list[AgentRegistered]:
    registered = AgentRegistered(
        agent=command.agent, description=command.description, hears=command.hears
    )
    return [] if state == registered else [registered]


_NONE: AgentRegistered | None = None
register_agent = UseCase(
    RegisterAgent,
    lambda command: matching(f"agent:{command.agent}", types=(AgentRegistered.stored_as,)),
    _NONE,
    lambda _state, event: event,
    decide,
)
