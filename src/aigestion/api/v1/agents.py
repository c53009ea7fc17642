"""Agents of a tenant: what they are told, whom they ask, what they hear; every change is a version."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post, put
from litestar.params import FromPath, HeaderParameter, JSONBody
from pydantic import Field

from aigestion.api.answers import (
    ETAG_HEADER,
    PAGE_HEADERS,
    PAGE_ITEMS_DEFAULT,
    POSITION_HEADER,
    READ_HEADERS,
    Answered,
    Cursor,
    IdempotencyKey,
    Limit,
    MinPosition,
    problems,
    reading,
)
from aigestion.api.body import Body
from aigestion.api.doors import Doors
from aigestion.api.request import ApiRequest
from aigestion.api.v1.new_definition import Definition, Registration
from aigestion.commands.directory.define_agent import (
    DefineAgent,
    RollBackAgent,
    is_agent_name,
)
from aigestion.commands.directory.register_agent import RegisterAgent
from aigestion.events.directory import AgentDefined, AgentLimits
from aigestion.events.recorded import Recorded
from aigestion.kernel.errors import NotFound, Refused
from aigestion.queries.agents import versions_of
from aigestion.queries.answer import Cursors, Page, checked_limit, invalid

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        pattern=r'^(\d{1,9}|"\d{1,9}")$',
        description="The version you have seen, 0 for the program's own: 412 if it is another by now.",
    ),
]


class WayBack(Body):
    """Which version to go back to."""

    version: int = Field(ge=0, description="0 is what the program brings.")


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


class AgentSummary(msgspec.Struct, frozen=True):
    """One line of the list of agents."""

    agent: str
    version: int
    description: str
    hears: tuple[str, ...]


class Agents(msgspec.Struct, frozen=True):
    """Every agent a tenant may talk to."""

    items: list[AgentSummary]


@get("/", responses=reading(), response_headers=READ_HEADERS, summary="List agents")
async def list_agents(request: ApiRequest, min_position: MinPosition = 0) -> Answered[Agents]:
    """The tenant's agents by name: its own, the program's, and those registered from elsewhere."""
    doors = request.doors
    answer = await doors.directory.agents(request.tenant, min_position=min_position)
    known = {
        name: AgentSummary(name, 0, one.description, one.hears)
        for name, one in doors.agents.items()
    } | {
        one.agent: AgentSummary(one.agent, one.agent_version, one.description, one.hears)
        for one in answer.data
    }
    items = [known[name] for name in sorted(known)]
    return Answered(Agents(items), answer.position, stale=answer.stale)


@get("/{name:str}", responses=reading(404), response_headers=READ_HEADERS, summary="Read an agent")
async def read_agent(
    request: ApiRequest, name: FromPath[str], min_position: MinPosition = 0
) -> Answered[Agent]:
    """The version that answers what is said now."""
    head = await request.doors.feed.at_least(min_position)
    versions = await _versions(request, name)
    return _tagged(versions[-1], head)


@get(
    "/{name:str}/versions",
    responses=reading(404),
    response_headers=PAGE_HEADERS,
    summary="List an agent's versions",
)
async def list_versions(
    request: ApiRequest,
    name: FromPath[str],
    limit: Limit = PAGE_ITEMS_DEFAULT,
    cursor: Cursor = None,
    min_position: MinPosition = 0,
) -> Answered[Page[Agent]]:
    """Every version, newest first; the last is what the program brings, if it brings this agent."""
    checked_limit(limit)
    cursors = Cursors(_Before, ("versions", request.tenant, name))
    before = cursors.decode(cursor)
    head = await request.doors.feed.at_least(min_position)
    versions = await _versions(request, name)
    left = [one for one in reversed(versions) if before is None or one.version < before.version]
    page = cursors.page(left[: limit + 1], limit, lambda last: _Before(last.version))
    return Answered(page, head)


@put(
    "/{name:str}",
    status_code=200,
    responses=problems(412, 413, 415, 422),
    response_headers=[POSITION_HEADER, ETAG_HEADER],
    summary="Define an agent",
)
async def define_agent(
    request: ApiRequest, name: FromPath[str], data: JSONBody[Definition], if_match: IfMatch = None
) -> Answered[Agent]:
    """One more version; none, if it says the same. It answers what is said from now on."""
    _must_be_name(name)
    command = DefineAgent(
        wanted=data.of(name),
        models=request.doors.models,
        expected_version=_seen(if_match),
    )
    return await _changed(request, name, command, None)


@post(
    "/{name:str}/register",
    status_code=200,
    responses=problems(409, 413, 415, 422),
    response_headers=[POSITION_HEADER],
    summary="Register an agent that runs elsewhere",
)
async def register_agent(
    request: ApiRequest,
    name: FromPath[str],
    data: JSONBody[Registration],
    idempotency_key: IdempotencyKey = None,
) -> Answered[AgentSummary]:
    """From now on conversations can be started with it; it hears what is said over NATS or the feed.

    Again is no news, unless it says something else. 409 if this program answers under that name.
    """
    _must_be_name(name)
    doors = request.doors
    await must_run_elsewhere(doors, request.tenant, name)
    hears = tuple(dict.fromkeys(data.hears))
    outcome = await doors.dispatcher.dispatch(
        RegisterAgent(name, data.description, hears), await request.context(idempotency_key)
    )
    return Answered(AgentSummary(name, 0, data.description, hears), outcome.position)


@post(
    "/{name:str}/rollback",
    status_code=200,
    responses=problems(404, 412, 413, 415, 422),
    response_headers=[POSITION_HEADER, ETAG_HEADER],
    summary="Go back to a version of an agent",
)
async def roll_back_agent(
    request: ApiRequest,
    name: FromPath[str],
    data: JSONBody[WayBack],
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Answered[Agent]:
    """One more version, which says what an earlier one said. Nothing is taken away."""
    await _versions(request, name)
    command = RollBackAgent(
        agent=name,
        to_version=data.version,
        builtin=request.doors.agents.get(name),
        expected_version=_seen(if_match),
    )
    return await _changed(request, name, command, idempotency_key)


async def must_run_elsewhere(doors: Doors, tenant: str, agent: str) -> None:
    """Raises `Refused` for an agent that the program brings or the tenant has defined."""
    if agent in doors.agents or await versions_of(doors.log, tenant, agent):
        raise Refused(f"This program answers as {agent} itself.")


def _must_be_name(name: str) -> None:
    if not is_agent_name(name):
        raise invalid("name", "must be small letters, digits and -, 63 at most")


async def _changed(
    request: ApiRequest, name: str, command: DefineAgent | RollBackAgent, key: str | None
) -> Answered[Agent]:
    outcome = await request.doors.dispatcher.dispatch(command, await request.context(key))
    versions = await _versions(request, name)
    if outcome.events:
        defined: AgentDefined = outcome.events[-1].data  # type: ignore[assignment]
        (answer,) = [one for one in versions if one.version == defined.agent_version]
    else:
        answer = versions[-1]
    return _tagged(answer, outcome.position)


def _tagged(agent: Agent, position: int) -> Answered[Agent]:
    """Its version is its `ETag`: what `If-Match` of the next change names."""
    return Answered(agent, position, tag=str(agent.version))


async def _versions(request: ApiRequest, name: str) -> list[Agent]:
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


_NO_AGENT = "There is no such agent."


def _recorded(one: Recorded[AgentDefined]) -> Agent:
    made = {"defined_at": one.occurred_at, "defined_by": one.actor, "position": one.position}
    return msgspec.structs.replace(_agent(one.data), **made)


def _agent(event: AgentDefined) -> Agent:
    fields = msgspec.structs.asdict(event)
    return Agent(version=fields.pop("agent_version"), **fields)


def _seen(if_match: str | None) -> int | None:
    return None if if_match is None else int(if_match.strip('"'))


class _Before(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=0)]


agents = Router(
    "/agents",
    route_handlers=[
        list_agents,
        read_agent,
        list_versions,
        define_agent,
        register_agent,
        roll_back_agent,
    ],
    tags=["Agents"],
)
