"""The read model `conversations`: who talks with whom, and what was said."""

from collections.abc import Sequence
from typing import Any

import msgspec

from aigestion.events.conversation import (
    AgentReplied,
    ConversationArchived,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnarchived,
    UserAction,
    UserAskedAgain,
    UserChat,
    UserVoice,
)
from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelFailed, RunCancelled, RunFailed
from aigestion.projections.keys import by_tag
from aigestion.projections.projection import Projection
from aigestion.projections.text import storable, storable_json
from aigestion.readstores.port import Change, Put

_Said = UserChat | UserVoice | UserAction
_Answered = AgentReplied | ModelFailed | RunFailed | RunCancelled
_Changed = ConversationRenamed | ConversationArchived | ConversationUnarchived


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """A row a conversation, a row a user's message, a row an agent's run that came to words."""
    event = recorded.data
    match event:
        case ConversationStarted():
            return [_conversation(recorded, event)]
        case ConversationRenamed():
            return [_changed(recorded, event, {"title": storable(event.title)})]
        case ConversationArchived():
            return [_changed(recorded, event, {"archived": True})]
        case ConversationUnarchived():
            return [_changed(recorded, event, {"archived": False})]
        case UserChat() | UserVoice() | UserAction():
            return [_said(recorded, event), _touched(recorded, event)]
        case UserAskedAgain():
            return [_touched(recorded, event)]
        case ModelFailed(partial_text=None):
            return []
        case AgentReplied() | ModelFailed() | RunFailed() | RunCancelled():
            return [_answered(recorded, event), _touched(recorded, event)]
        case _:
            return []


def _conversation(recorded: Recorded[Any], event: ConversationStarted) -> Put:
    fields = {
        "tenant": recorded.tenant,
        "conversation_id": str(event.conversation_id),
        "user_id": storable(event.user_id),
        "agent": event.agent,
        "title": None if event.title is None else storable(event.title),
        "started_at": recorded.occurred_at,
        "position": recorded.position,
        "last_at": recorded.occurred_at,
        "last_position": recorded.position,
        "archived": False,
    }
    return Put("conversations", _key(recorded, event), fields)


def _changed(recorded: Recorded[Any], event: _Changed, fields: dict[str, Any]) -> Put:
    """How a conversation is kept is nothing that was said in it: it is not touched by that."""
    return Put("conversations", _key(recorded, event), fields)


def _touched(recorded: Recorded[Any], event: _Said | UserAskedAgain | _Answered) -> Put:
    fields = {"last_at": recorded.occurred_at, "last_position": recorded.position}
    return Put("conversations", _key(recorded, event), fields)


def _key(
    recorded: Recorded[Any],
    event: ConversationStarted | _Changed | _Said | UserAskedAgain | _Answered,
) -> str:
    """Ids belong to their tenant: the same one of another tenant is another conversation (law 9)."""
    return f"{recorded.tenant}/{event.conversation_id}"


def _said(recorded: Recorded[Any], event: _Said) -> Put:
    said: dict[str, Any]
    match event:
        case UserChat():
            said = {"kind": "chat", "text": storable(event.text)}
        case UserVoice():
            said = {"kind": "voice", "text": storable(event.transcript)}
        case UserAction():
            said = {
                "kind": "action",
                "text": "",
                "name": storable(event.name),
                "properties": storable_json(event.properties),
            }
    message = {"role": "user", "state": "final", **said}
    return Put("messages", str(recorded.id), _envelope(recorded, event) | message)


def _answered(recorded: Recorded[Any], event: _Answered) -> Put:
    """One row a run: words that came before a model broke off stay until better ones come."""
    answered: dict[str, Any]
    match event:
        case ModelFailed():
            answered = {"state": "interrupted", "text": storable(event.partial_text or "")}
        case RunFailed():
            answered = {
                "state": "failed",
                "notice": storable(event.message),
                "in_reply_to": str(event.in_reply_to),
            }
        case RunCancelled():
            answered = {"state": "cancelled", "in_reply_to": str(event.in_reply_to)}
        case AgentReplied():
            answered = {
                "state": "final",
                "text": storable(event.text),
                "citations": [
                    storable_json(msgspec.to_builtins(citation)) for citation in event.citations
                ],
                "in_reply_to": str(event.in_reply_to),
            }
    message = {"role": "assistant", "kind": "reply", "run_id": str(event.run_id), **answered}
    return Put("messages", str(event.run_id), _envelope(recorded, event) | message)


def _envelope(recorded: Recorded[Any], event: _Said | _Answered) -> dict[str, Any]:
    return {
        "tenant": recorded.tenant,
        "conversation_id": str(event.conversation_id),
        "position": recorded.position,
        "occurred_at": recorded.occurred_at,
    }


conversations = Projection(
    name="conversations",
    version=3,
    store="lists",
    collections=("conversations", "messages"),
    reads=(
        ConversationStarted,
        ConversationRenamed,
        ConversationArchived,
        ConversationUnarchived,
        UserChat,
        UserVoice,
        UserAction,
        UserAskedAgain,
        AgentReplied,
        ModelFailed,
        RunFailed,
        RunCancelled,
    ),
    key=by_tag("conversation"),
    project=project,
)
