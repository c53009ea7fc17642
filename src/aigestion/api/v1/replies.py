"""Replies of agents that run elsewhere: they hear over NATS or the feed, and answer here."""

from typing import Annotated, Literal, NamedTuple
from uuid import UUID

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody
from pydantic import AwareDatetime, Field, StringConstraints

from aigestion.api.answers import POSITION_HEADER, Answered, IdempotencyKey, problems
from aigestion.api.body import Body, JsonObject, Text
from aigestion.api.request import ApiRequest
from aigestion.api.v1.agents import must_run_elsewhere
from aigestion.api.v1.interactions import LongText
from aigestion.commands.directory.define_agent import HEARD
from aigestion.commands.run.answer_from_elsewhere import AnswerFromElsewhere, ModelAnswered
from aigestion.events.conversation import AgentReplied, Citation, UserAskedAgain
from aigestion.events.run import ModelCompleted, ModelRequested, RunCancelled, RunFailed
from aigestion.eventstore.reader import TenantEvents
from aigestion.kernel.errors import NotFound
from aigestion.kernel.ids import derived_id

NAME_CHARS_MAX = 200
MESSAGE_CHARS_MAX = 500
CITATIONS_MAX = 50
SECONDS_MAX = 24 * 3600.0
INT_MAX = 2**31 - 1

Name = Annotated[Text, Field(max_length=NAME_CHARS_MAX)]
Tokens = Annotated[int, Field(ge=0, le=INT_MAX)]
Seconds = Annotated[float, Field(ge=0, le=SECONDS_MAX)]


class CitationBody(Body):
    """A passage that the reply leans on."""

    number: int = Field(ge=1, le=999, description="How the text refers to it: `[1]`.")
    document_id: UUID
    passage: int = Field(ge=0, le=INT_MAX, description="Its index in the document, from 0.")
    title: Name


class ModelCallBody(Body):
    """The model call that the reply came from: so it is priced and counted like any other."""

    provider: Name
    model: Name = Field(description="The one that was asked.")
    returned_model: Name | None = Field(None, description="The one that answered, if another.")
    finish_reason: Name = "stop"
    usage: JsonObject = Field(default_factory=dict, description="The provider's own object.")
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    requested_at: AwareDatetime
    first_token_seconds: Seconds | None = None
    duration_seconds: Seconds


class Reply(Body):
    """What the agent says."""

    text: LongText
    citations: list[CitationBody] = Field([], max_length=CITATIONS_MAX)
    model_call: ModelCallBody | None = None


class Failure(Body):
    """Why there will be no reply."""

    reason: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    message: Annotated[Text, Field(max_length=MESSAGE_CHARS_MAX)] = Field(
        description="A sentence for the user, without anything personal in it."
    )


class RunEnded(msgspec.Struct, frozen=True):
    """How the run ended."""

    run_id: UUID
    state: Literal["replied", "failed", "cancelled"]
    """`cancelled`: somebody stopped it before, and what the agent said is not shown."""
    position: int


@post(
    "/conversations/{conversation_id:uuid}/interactions/{event_id:uuid}/reply",
    status_code=201,
    responses=problems(404, 409, 413, 415, 422),
    response_headers=[POSITION_HEADER],
    summary="Reply as an agent that runs elsewhere",
    tags=["Agents"],
)
async def reply(
    request: ApiRequest,
    conversation_id: FromPath[UUID],
    event_id: FromPath[UUID],
    data: JSONBody[Reply],
    idempotency_key: IdempotencyKey = None,
) -> Answered[RunEnded]:
    """Reply to a `user.*` event of a conversation whose agent is registered from elsewhere.

    Once for each event: 409 `run-ended` if it has been answered. `event_id` of a `user.asked_again` gives
    another reply to the message it names.
    """
    heard = await _heard(request, conversation_id, event_id)
    said = AgentReplied(
        **heard._asdict(),
        text=data.text,
        citations=tuple(Citation(**one.model_dump()) for one in data.citations),
    )
    call = None if data.model_call is None else await _call(request, said, data.model_call)
    return await _ended(request, event_id, AnswerFromElsewhere(said, call), idempotency_key)


@post(
    "/conversations/{conversation_id:uuid}/interactions/{event_id:uuid}/failure",
    status_code=201,
    responses=problems(404, 409, 413, 415, 422),
    response_headers=[POSITION_HEADER],
    summary="Say that there will be no reply",
    tags=["Agents"],
)
async def fail(
    request: ApiRequest,
    conversation_id: FromPath[UUID],
    event_id: FromPath[UUID],
    data: JSONBody[Failure],
    idempotency_key: IdempotencyKey = None,
) -> Answered[RunEnded]:
    """End the run without a reply; the user is told the message."""
    heard = await _heard(request, conversation_id, event_id)
    failed = RunFailed(**heard._asdict(), reason=data.reason, message=data.message)
    return await _ended(request, event_id, AnswerFromElsewhere(failed), idempotency_key)


class _Heard(NamedTuple):
    """What every end of a run says."""

    conversation_id: UUID
    user_id: str
    agent: str
    run_id: UUID
    in_reply_to: UUID


async def _heard(request: ApiRequest, conversation_id: UUID, event_id: UUID) -> _Heard:
    """`NotFound` for no event of a user in this conversation, `Refused` if another agent answers it."""
    doors, tenant = request.doors, request.tenant
    event = await TenantEvents(doors.log, tenant).find(event_id)
    if (
        event is None
        or event.type not in (*HEARD, UserAskedAgain.stored_as)
        or event.data.conversation_id != conversation_id
    ):
        raise NotFound("There is no such event of a user in this conversation.")
    agent = event.data.agent
    await must_run_elsewhere(doors, tenant, agent)
    asked_again = isinstance(event.data, UserAskedAgain)
    return _Heard(
        conversation_id=conversation_id,
        user_id=event.data.user_id,
        agent=agent,
        run_id=derived_id(event_id, agent),
        in_reply_to=event.data.event_id if asked_again else event_id,
    )


async def _call(request: ApiRequest, said: AgentReplied, told: ModelCallBody) -> ModelAnswered:
    call_id = derived_id(said.run_id, "model/1")
    output_hash = await request.doors.vault.keyed_hash(
        request.tenant, f"user:{said.user_id}", said.text
    )
    return ModelAnswered(
        ModelRequested(
            run_id=said.run_id,
            call_id=call_id,
            attempt=1,
            provider=told.provider,
            model=told.model,
            parameters={},
            manifest=(),
        ),
        ModelCompleted(
            run_id=said.run_id,
            conversation_id=said.conversation_id,
            agent=said.agent,
            call_id=call_id,
            provider=told.provider,
            requested_model=told.model,
            returned_model=told.returned_model or told.model,
            finish_reason=told.finish_reason,
            usage=told.usage,
            input_tokens=told.input_tokens,
            output_tokens=told.output_tokens,
            requested_at=told.requested_at,
            first_token_seconds=told.first_token_seconds,
            duration_seconds=told.duration_seconds,
            output_hash=output_hash,
        ),
    )


async def _ended(
    request: ApiRequest, event_id: UUID, command: AnswerFromElsewhere, key: str | None
) -> Answered[RunEnded]:
    context = msgspec.structs.replace(
        await request.context(key), actor=f"agent:{command.end.agent}", causation_id=event_id
    )
    outcome = await request.doors.dispatcher.dispatch(command, context)
    match outcome.events[-1].data:
        case RunCancelled():
            state: Literal["replied", "failed", "cancelled"] = "cancelled"
        case RunFailed():
            state = "failed"
        case _:
            state = "replied"
    return Answered(RunEnded(command.run_id, state, outcome.position), outcome.position)
