"""Conversations: what users do, and what agents answer."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec

from aigestion.events.event import AgentName, ConversationId, Event, Personal, RunId, UserId


class ConversationStarted(Event, frozen=True, kw_only=True):
    """A user opened a conversation with an agent."""

    stored_as: ClassVar[str] = "conversation.started"
    version: ClassVar[int] = 2
    conversation_id: ConversationId
    user_id: UserId
    agent: AgentName
    title: Annotated[str | None, Personal("user_id")] = None
    agent_version: int | None = None
    """The version of the agent that answers here for ever; None for the one that stands at each message."""


class ConversationRenamed(Event, frozen=True, kw_only=True):
    """A conversation got another title."""

    stored_as: ClassVar[str] = "conversation.renamed"
    conversation_id: ConversationId
    user_id: UserId
    title: Annotated[str, Personal("user_id")]


class ConversationArchived(Event, frozen=True, kw_only=True):
    """A conversation was put aside: it stays readable, and nothing more is said in it."""

    stored_as: ClassVar[str] = "conversation.archived"
    conversation_id: ConversationId
    user_id: UserId


class ConversationUnarchived(Event, frozen=True, kw_only=True):
    """A conversation came back from the archive."""

    stored_as: ClassVar[str] = "conversation.unarchived"
    conversation_id: ConversationId
    user_id: UserId


class UserChat(Event, frozen=True, kw_only=True):
    """A user wrote something."""

    stored_as: ClassVar[str] = "user.chat"
    conversation_id: ConversationId
    user_id: UserId
    agent: AgentName
    text: Annotated[str, Personal("user_id")]


class UserVoice(Event, frozen=True, kw_only=True):
    """A user said something; the transcript is what was heard."""

    stored_as: ClassVar[str] = "user.voice"
    conversation_id: ConversationId
    user_id: UserId
    agent: AgentName
    transcript: Annotated[str, Personal("user_id")]
    language: str | None = None
    duration_seconds: float | None = None


class UserAction(Event, frozen=True, kw_only=True):
    """A user did something in an application: a named action with properties."""

    stored_as: ClassVar[str] = "user.action"
    conversation_id: ConversationId
    user_id: UserId
    agent: AgentName
    name: str
    properties: Annotated[dict[str, Any], Personal("user_id")] = msgspec.field(default_factory=dict)


class UserAskedAgain(Event, frozen=True, kw_only=True):
    """A user wants another reply to a message; the one there is stays in the log."""

    stored_as: ClassVar[str] = "user.asked_again"
    conversation_id: ConversationId
    user_id: UserId
    agent: AgentName
    event_id: UUID
    """Id of the message's event."""
    event_position: int
    """Where it stands in the log."""


class Citation(msgspec.Struct, frozen=True):
    """A passage that a reply leans on; `number` is how the text refers to it, `[1]`."""

    number: int
    document_id: UUID
    passage: int
    """The passage's index in its document, from 0."""
    title: str


class AgentReplied(Event, frozen=True, kw_only=True):
    """An agent answered; the end of a run. A later one to the same message stands in its place."""

    stored_as: ClassVar[str] = "agent.replied"
    conversation_id: ConversationId
    user_id: UserId
    agent: AgentName
    run_id: RunId
    in_reply_to: UUID
    """Id of the message that it replies to."""
    text: Annotated[str, Personal("user_id")]
    citations: tuple[Citation, ...] = ()


EVENTS: tuple[type[Event], ...] = (
    ConversationStarted,
    ConversationRenamed,
    ConversationArchived,
    ConversationUnarchived,
    UserChat,
    UserVoice,
    UserAction,
    UserAskedAgain,
    AgentReplied,
)


# Older shapes


def conversation_started_from_1(fields: dict[str, Any]) -> dict[str, Any]:
    """Before agents had versions nobody could hold on to one."""
    return {**fields, "agent_version": None}
