"""The versions of an agent: what the program brings, what a tenant defined, or what runs elsewhere."""

from datetime import datetime
from uuid import UUID

import msgspec

from aigestion.api.doors import Doors
from aigestion.api.request import ApiRequest
from aigestion.commands.directory.define_agent import is_agent_name
from aigestion.events.directory import AgentDefined, AgentLimits
from aigestion.events.recorded import Recorded
from aigestion.kernel.errors import NotFound, Refused
from aigestion.queries.agents import versions_of

_NO_AGENT = "There is no such agent."


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """A version of an agent."""

    agent: str
    version: int
    """0 is what the program brings, or what was registered from elsewhere."""
    description: str
    instructions: str | None
    """Null for an agent that runs elsewhere."""
    model: str | None
    hears: tuple[str, ...]
    documents: tuple[UUID, ...] | None
    limits: AgentLimits | None
    rolled_back_to: int | None = None
    defined_at: datetime | None = None
    defined_by: str | None = None
    position: int | None = None
    """Of the event that made this version; what follows it is answered so."""


async def versions(request: ApiRequest, name: str) -> list[Agent]:
    """At least one version; `NotFound` if the tenant has no such agent."""
    doors, tenant = request.doors, request.tenant
    if not is_agent_name(name):
        raise NotFound(_NO_AGENT)
    found = [_recorded(one) for one in await versions_of(doors.log, tenant, name)]
    if (builtin := doors.agents.get(name)) is not None:
        return [_agent(builtin), *found]
    if not found and (registered := await doors.directory.agent(tenant, name)) is not None:
        elsewhere = Agent(
            agent=name,
            version=0,
            description=registered.description,
            instructions=None,
            model=None,
            hears=registered.hears,
            documents=None,
            limits=None,
        )
        return [elsewhere]
    if not found:
        raise NotFound(_NO_AGENT)
    return found


async def must_run_elsewhere(doors: Doors, tenant: str, agent: str) -> None:
    """Raises `Refused` for an agent that the program brings or the tenant has defined."""
    if agent in doors.agents or await versions_of(doors.log, tenant, agent):
        raise Refused(f"This program answers as {agent} itself.")


def _recorded(one: Recorded[AgentDefined]) -> Agent:
    made = {"defined_at": one.occurred_at, "defined_by": one.actor, "position": one.position}
    return msgspec.structs.replace(_agent(one.data), **made)


def _agent(event: AgentDefined) -> Agent:
    fields = msgspec.structs.asdict(event)
    return Agent(version=fields.pop("agent_version"), **fields)
