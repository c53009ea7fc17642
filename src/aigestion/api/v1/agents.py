"""Agents of a tenant: what they are told, whom they ask, what they hear; every change is a version."""

from typing import Annotated

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
from aigestion.api.request import ApiRequest
from aigestion.api.v1.agent_versions import Agent, must_run_elsewhere, versions
from aigestion.api.v1.new_definition import Definition, Registration
from aigestion.commands.directory.define_agent import (
    DefineAgent,
    RollBackAgent,
    is_agent_name,
)
from aigestion.commands.directory.register_agent import RegisterAgent
from aigestion.events.directory import AgentDefined
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
    known = await versions(request, name)
    return _tagged(known[-1], head)


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
    known = await versions(request, name)
    left = [one for one in reversed(known) if before is None or one.version < before.version]
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
    await versions(request, name)
    command = RollBackAgent(
        agent=name,
        to_version=data.version,
        builtin=request.doors.agents.get(name),
        expected_version=_seen(if_match),
    )
    return await _changed(request, name, command, idempotency_key)


def _must_be_name(name: str) -> None:
    if not is_agent_name(name):
        raise invalid("name", "must be small letters, digits and -, 63 at most")


async def _changed(
    request: ApiRequest, name: str, command: DefineAgent | RollBackAgent, key: str | None
) -> Answered[Agent]:
    outcome = await request.doors.dispatcher.dispatch(command, await request.context(key))
    known = await versions(request, name)
    if outcome.events:
        defined: AgentDefined = outcome.events[-1].data  # type: ignore[assignment]
        (answer,) = [one for one in known if one.version == defined.agent_version]
    else:
        answer = known[-1]
    return _tagged(answer, outcome.position)


def _tagged(agent: Agent, position: int) -> Answered[Agent]:
    """Its version is its `ETag`: what `If-Match` of the next change names."""
    return Answered(agent, position, tag=str(agent.version))


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
