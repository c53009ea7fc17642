"""Conversations: start one, list them, read one."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath, JSONBody
from pydantic import Field, StringConstraints

from aigestion.api.answers import (
    PAGE_ITEMS_DEFAULT,
    POSITION_HEADER,
    READ_HEADERS,
    Answered,
    Cursor,
    IdempotencyKey,
    Limit,
    MinPosition,
    answered,
    problems,
)
from aigestion.api.body import Body, Text
from aigestion.api.doors import Doors
from aigestion.api.request import ApiRequest, minted
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.events.conversation import ConversationStarted
from aigestion.queries.agents import versions_of
from aigestion.queries.answer import Page, invalid
from aigestion.queries.conversations import ConversationSummary, Transcript

DEFAULT_AGENT = "assistant"
TITLE_CHARS_MAX = 200

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class NewConversation(Body):
    """What a conversation starts with; who starts it comes from the key."""

    title: Annotated[Text, Field(max_length=TITLE_CHARS_MAX)] | None = None
    agent: Slug | None = Field(None, description=f"Who answers; `{DEFAULT_AGENT}` if not given.")
    agent_version: int | None = Field(
        None,
        ge=0,
        description="The version of the agent that answers here for ever; not given: the one that stands "
        "when something is said.",
    )


class Started(msgspec.Struct, frozen=True):
    """A conversation exists."""

    conversation_id: UUID
    position: int


@post(
    "/",
    status_code=201,
    responses=problems(413, 415, 422),
    response_headers=[POSITION_HEADER],
    summary="Start a conversation",
)
async def start_conversation(
    request: ApiRequest, data: JSONBody[NewConversation], idempotency_key: IdempotencyKey = None
) -> Answered[Started]:
    """Start a conversation with an agent."""
    doors, caller = request.doors, request.auth
    await _must_exist(doors, caller.tenant, data.agent or DEFAULT_AGENT, data.agent_version)
    context = await request.context(idempotency_key)
    command = StartConversation(
        conversation_id=minted(context, "conversation"),
        user_id=caller.user_id,
        agent=data.agent or DEFAULT_AGENT,
        title=data.title,
        agent_version=data.agent_version,
    )
    outcome = await doors.dispatcher.dispatch(command, context)
    (started,) = outcome.events
    assert isinstance(started.data, ConversationStarted)
    return Answered(Started(started.data.conversation_id, started.position), started.position)


async def _must_exist(doors: Doors, tenant: str, agent: str, version: int | None) -> None:
    """`InvalidInput` for an agent the tenant has not, or a version the agent has not."""
    builtin = agent in doors.agents
    if builtin and not version:
        return
    versions = await versions_of(doors.log, tenant, agent)
    if not builtin and not versions and await doors.directory.agent(tenant, agent) is None:
        raise invalid("agent", "is no agent of yours")
    if version is not None and not 1 <= version <= len(versions):
        raise invalid("agent_version", "is no version of this agent")


@get(
    "/",
    responses=problems(),
    response_headers=READ_HEADERS,
    summary="List conversations",
)
async def list_conversations(
    request: ApiRequest,
    limit: Limit = PAGE_ITEMS_DEFAULT,
    cursor: Cursor = None,
    min_position: MinPosition = 0,
) -> Answered[Page[ConversationSummary]]:
    """The tenant's conversations, newest first."""
    return answered(
        await request.doors.conversations.page(
            request.tenant, limit=limit, cursor=cursor, min_position=min_position
        )
    )


@get(
    "/{conversation_id:uuid}",
    responses=problems(404),
    response_headers=READ_HEADERS,
    summary="Read a conversation",
)
async def read_conversation(
    request: ApiRequest, conversation_id: FromPath[UUID], min_position: MinPosition = 0
) -> Answered[Transcript]:
    """A conversation with its messages, oldest first."""
    return answered(
        await request.doors.conversations.transcript(
            request.tenant, conversation_id, min_position=min_position
        )
    )


conversations = Router(
    "/conversations",
    route_handlers=[start_conversation, list_conversations, read_conversation],
    tags=["Conversations"],
)
