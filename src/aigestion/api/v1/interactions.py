"""Interactions: what a user writes, says or does in a conversation, and asks again about."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody
from pydantic import Field, RootModel, StringConstraints

from aigestion.api.answers import POSITION_HEADER, Answered, IdempotencyKey, problems
from aigestion.api.body import Body, JsonObject, Text
from aigestion.api.doors import Doors
from aigestion.api.limits import CHARGE
from aigestion.api.request import ApiRequest
from aigestion.api.straight import STRAIGHT
from aigestion.commands.conversation.ask_again import AskAgain
from aigestion.commands.conversation.post_interaction import Action, Chat, PostInteraction, Voice
from aigestion.kernel.context import Context
from aigestion.kernel.errors import NotFound
from aigestion.ratelimit.routes import Charge

TEXT_CHARS_MAX = 200_000
ACTION_NAME_CHARS_MAX = 200
DURATION_SECONDS_MAX = 24 * 3600.0

LongText = Annotated[Text, Field(max_length=TEXT_CHARS_MAX)]


class ChatPayload(Body):
    """What the user wrote."""

    text: LongText


class VoicePayload(Body):
    """What the user said, as it was heard."""

    transcript: LongText
    language: Annotated[
        str | None,
        StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"),
        Field(description="A language tag such as `es` or `pt-BR`."),
    ] = None
    duration_seconds: Annotated[float | None, Field(ge=0, le=DURATION_SECONDS_MAX)] = None


class ActionPayload(Body):
    """What the user did in an application."""

    name: Annotated[Text, Field(max_length=ACTION_NAME_CHARS_MAX)]
    properties: JsonObject = Field(default_factory=dict)


class ChatInteraction(Body):
    """The user wrote something."""

    type: Literal["user.chat"]
    payload: ChatPayload

    def what(self) -> Chat:
        return Chat(self.payload.text)


class VoiceInteraction(Body):
    """The user said something."""

    type: Literal["user.voice"]
    payload: VoicePayload

    def what(self) -> Voice:
        said = self.payload
        return Voice(said.transcript, said.language, said.duration_seconds)


class ActionInteraction(Body):
    """The user did something."""

    type: Literal["user.action"]
    payload: ActionPayload

    def what(self) -> Action:
        return Action(self.payload.name, self.payload.properties)


class Interaction(
    RootModel[
        Annotated[
            ChatInteraction | VoiceInteraction | ActionInteraction, Field(discriminator="type")
        ]
    ]
):
    """What a user writes, says or does; `type` says which."""


class InteractionPosted(msgspec.Struct, frozen=True):
    """The interaction is in the log; agents hear it from there."""

    event_id: UUID
    position: int


@post(
    "/conversations/{conversation_id:uuid}/interactions",
    status_code=202,
    opt={CHARGE: Charge("expensive"), STRAIGHT: True},
    responses=problems(404, 409, 413, 415, 422),
    response_headers=[POSITION_HEADER],
    summary="Write, say or do something in a conversation",
    tags=["Conversations"],
)
async def post_interaction(
    request: ApiRequest,
    conversation_id: FromPath[UUID],
    data: JSONBody[Interaction],
    idempotency_key: IdempotencyKey = None,
) -> Answered[InteractionPosted]:
    """Record what a user writes, says or does. The agent's answer comes over the stream."""
    context = await request.context(idempotency_key)
    posted = await recorded(request.doors, context, conversation_id, data.root.what())
    return Answered(posted, posted.position)


async def recorded(
    doors: Doors, context: Context, conversation_id: UUID, what: Chat | Voice | Action
) -> InteractionPosted:
    """Record what a user writes, says or does."""
    command = PostInteraction(conversation_id=conversation_id, what=what)
    outcome = await doors.dispatcher.dispatch(command, context)
    (posted,) = outcome.events
    return InteractionPosted(posted.id, posted.position)


@post(
    "/conversations/{conversation_id:uuid}/interactions/{event_id:uuid}/retry",
    status_code=202,
    opt={CHARGE: Charge("expensive")},
    responses=problems(404, 409, 413, 422),
    response_headers=[POSITION_HEADER],
    summary="Ask again",
    tags=["Conversations"],
)
async def ask_again(
    request: ApiRequest,
    conversation_id: FromPath[UUID],
    event_id: FromPath[UUID],
    idempotency_key: IdempotencyKey = None,
) -> Answered[InteractionPosted]:
    """Ask for another reply to what a user wrote or said. It is a run of its own, over the stream.

    The first reply stays; once there is another one it is shown as `replaced`. The new one is written
    from the conversation as it was before the message, and stands in the first one's place from then on.
    """
    context = await request.context(idempotency_key)
    doors = request.doors
    message = (
        await doors.conversations.message(
            request.tenant, conversation_id, event_id, min_position=await doors.log.head()
        )
    ).data
    if message.kind == "reply":
        raise NotFound("There is no such message of a user.")
    command = AskAgain(
        conversation_id=conversation_id,
        event_id=event_id,
        event_position=message.position,
        kind=message.kind,
    )
    outcome = await doors.dispatcher.dispatch(command, context)
    (asked,) = outcome.events
    return Answered(InteractionPosted(asked.id, asked.position), asked.position)
