"""Conversations: start one, list them, read one, rename or archive it."""

from typing import Annotated, Literal, Self
from uuid import UUID

import msgspec
from litestar import Router, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from aigestion.api.answers import (
    PAGE_HEADERS,
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
    reading,
)
from aigestion.api.auth import USER_CHARS_MAX
from aigestion.api.body import Body, Text
from aigestion.api.doors import Doors
from aigestion.api.parameters import AGENT_CHARS_MAX, MOMENT_CHARS_MAX, checked_text, period
from aigestion.api.request import ApiRequest, minted
from aigestion.commands.conversation.change_conversation import ChangeConversation
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.events.conversation import ConversationStarted
from aigestion.queries.agents import versions_of
from aigestion.queries.answer import Page, invalid
from aigestion.queries.conversations import ConversationFilter, ConversationSummary, Transcript

DEFAULT_AGENT = "assistant"
TITLE_CHARS_MAX = 200

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


Title = Annotated[Text, Field(max_length=TITLE_CHARS_MAX)]
Shelf = Literal["active", "archived"]


class NewConversation(Body):
    """What a conversation starts with; who starts it comes from the key."""

    title: Title | None = None
    agent: Slug | None = Field(None, description=f"Who answers; `{DEFAULT_AGENT}` if not given.")
    agent_version: int | None = Field(
        None,
        ge=0,
        description="The version of the agent that answers here for ever; not given: the one that stands "
        "when something is said.",
    )


class ConversationChange(Body):
    """What changes; what is left out stays as it is."""

    title: Title | None = None
    archived: bool | None = Field(
        None, description="In an archived conversation nothing more can be said."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.title is None and self.archived is None:
            raise PydanticCustomError("nothing", "must give a title, or archived")
        return self


class Changed(msgspec.Struct, frozen=True):
    """The conversation is as it was asked to be."""

    conversation_id: UUID
    position: int


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
    responses=reading(),
    response_headers=PAGE_HEADERS,
    summary="List conversations",
)
async def list_conversations(
    request: ApiRequest,
    shelf: Annotated[
        Shelf | None, QueryParameter(name="state", description="Both, if not given.")
    ] = None,
    agent: Annotated[
        str | None,
        QueryParameter(max_length=AGENT_CHARS_MAX, description="Only those with this agent."),
    ] = None,
    user_id: Annotated[
        str | None,
        QueryParameter(max_length=USER_CHARS_MAX, description="Only those of this user."),
    ] = None,
    start: Annotated[
        str | None,
        QueryParameter(
            name="from",
            max_length=MOMENT_CHARS_MAX,
            description="ISO 8601: something was last said in it then or later.",
        ),
    ] = None,
    end: Annotated[
        str | None,
        QueryParameter(
            name="to",
            max_length=MOMENT_CHARS_MAX,
            description="ISO 8601: nothing was said in it since.",
        ),
    ] = None,
    limit: Limit = PAGE_ITEMS_DEFAULT,
    cursor: Cursor = None,
    min_position: MinPosition = 0,
) -> Answered[Page[ConversationSummary]]:
    """The tenant's conversations, the latest started first."""
    since, until = period(start, end)
    which = ConversationFilter(
        archived=None if shelf is None else shelf == "archived",
        agent=None if agent is None else checked_text("agent", agent),
        user_id=None if user_id is None else checked_text("user_id", user_id),
        since=since,
        until=until,
    )
    return answered(
        await request.doors.conversations.page(
            request.tenant, which, limit=limit, cursor=cursor, min_position=min_position
        )
    )


@get(
    "/{conversation_id:uuid}",
    responses=reading(404),
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


@patch(
    "/{conversation_id:uuid}",
    responses=problems(404, 413, 415, 422),
    response_headers=[POSITION_HEADER],
    summary="Rename or archive a conversation",
)
async def change_conversation(
    request: ApiRequest,
    conversation_id: FromPath[UUID],
    data: JSONBody[ConversationChange],
    idempotency_key: IdempotencyKey = None,
) -> Answered[Changed]:
    """Give it another title, put it into the archive, or take it out. Again is no news.

    An archived conversation can be read and searched; what is said in it is refused with
    `conversation-archived`. A reply that is being written is written to its end.
    """
    command = ChangeConversation(
        conversation_id=conversation_id, title=data.title, archived=data.archived
    )
    context = await request.context(idempotency_key)
    outcome = await request.doors.dispatcher.dispatch(command, context)
    return Answered(Changed(conversation_id, outcome.position), outcome.position)


conversations = Router(
    "/conversations",
    route_handlers=[
        start_conversation,
        list_conversations,
        read_conversation,
        change_conversation,
    ],
    tags=["Conversations"],
)
