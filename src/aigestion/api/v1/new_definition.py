"""The definition of an agent, as somebody sends it."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from aigestion.api.body import Body, Text
from aigestion.events.directory import AgentDefined, AgentLimits

DESCRIPTION_CHARS_MAX = 500
INSTRUCTIONS_CHARS_MAX = 50_000
MODEL_CHARS_MAX = 200
DOCUMENTS_MAX = 1_000


class LimitsBody(Body):
    """How much one run may take."""

    output_tokens_max: int = Field(1_024, ge=1, le=100_000)
    history_turns_max: int = Field(12, ge=1, le=100, description="Earlier messages it is shown.")
    passages_max: int = Field(5, ge=0, le=50, description="Passages it is shown.")
    call_seconds_max: int = Field(3_700, ge=1, le=3_700)


class Registration(Body):
    """An agent that runs elsewhere and answers over HTTP."""

    description: Annotated[Text, Field(max_length=DESCRIPTION_CHARS_MAX)]
    hears: list[Literal["user.chat", "user.voice", "user.action"]] = Field(
        ["user.chat", "user.voice"], min_length=1, max_length=3, description="What it answers."
    )


class Definition(Body):
    """What an agent is to be, as a whole: what is left out is not as before, but as said here."""

    description: Annotated[Text, Field(max_length=DESCRIPTION_CHARS_MAX)]
    instructions: Annotated[
        Text,
        Field(
            max_length=INSTRUCTIONS_CHARS_MAX,
            description="Its system prompt. `{{agent}}`, `{{date}}` and `{{tenant}}` are filled in.",
        ),
    ]
    model: Annotated[Text, Field(max_length=MODEL_CHARS_MAX)] | None = Field(
        None, description="`<provider>/<model>`; the one this installation asks, if not given."
    )
    hears: list[str] = Field(
        ["user.chat", "user.voice"],
        min_length=1,
        max_length=3,
        description="Of `user.chat`, `user.voice` and `user.action`.",
    )
    documents: list[UUID] | None = Field(
        None,
        max_length=DOCUMENTS_MAX,
        description="What it may quote; all documents, if not given.",
    )
    limits: LimitsBody | None = None

    def of(self, agent: str) -> AgentDefined:
        """As it will be recorded, but for its number."""
        return AgentDefined(
            agent=agent,
            agent_version=0,
            description=self.description,
            instructions=self.instructions,
            model=self.model,
            hears=tuple(dict.fromkeys(self.hears)),
            documents=None if self.documents is None else tuple(dict.fromkeys(self.documents)),
            limits=AgentLimits(**(self.limits or LimitsBody()).model_dump()),
        )
