"""The read model `search`: everything said and done, and the passages of documents, to be found by words."""

from collections.abc import Iterator, Sequence
from typing import Any

from aigestion.events.conversation import AgentReplied, UserAction, UserChat, UserVoice
from aigestion.events.knowledge import DocumentAdded, DocumentRemoved
from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelFailed
from aigestion.projections.action_words import action_words
from aigestion.projections.keys import by_tag
from aigestion.projections.passage_rows import forget_passages, passage_rows
from aigestion.projections.projection import Projection
from aigestion.projections.text import storable
from aigestion.readstores.port import Change, Put

_Told = UserChat | UserVoice | UserAction | AgentReplied | ModelFailed


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """Whole rows only, so that a store of documents can keep them: a row a message, a row a passage."""
    match recorded.data:
        case UserChat(text=text) as said:
            return [_message(recorded, said, str(recorded.id), text)]
        case UserVoice(transcript=text) as said:
            return [_message(recorded, said, str(recorded.id), text)]
        case UserAction(name=name, properties=properties) as done:
            return [_message(recorded, done, str(recorded.id), action_words(name, properties))]
        case AgentReplied(text=text) as reply:
            return [_message(recorded, reply, str(reply.run_id), text)]
        case ModelFailed(partial_text=str(text)) as broken:
            return [_message(recorded, broken, str(broken.run_id), text)]
        case DocumentAdded() as added:
            return [forget_passages(recorded, added), *_passages(recorded, added)]
        case DocumentRemoved() as removed:
            return [forget_passages(recorded, removed)]
        case _:
            return []


def _message(recorded: Recorded[Any], event: _Told, key: str, text: str) -> Put:
    fields = {
        "tenant": recorded.tenant,
        "conversation_id": str(event.conversation_id),
        "text": storable(text),
        "occurred_at": recorded.occurred_at,
        "position": recorded.position,
    }
    return Put("messages", key, fields)


def _passages(recorded: Recorded[Any], added: DocumentAdded) -> Iterator[Put]:
    for key, fields in passage_rows(recorded, added).items():
        yield Put("passages", key, fields | {"occurred_at": recorded.occurred_at})


search = Projection(
    name="search",
    version=2,
    store="search",
    collections=("messages", "passages"),
    reads=(
        UserChat,
        UserVoice,
        UserAction,
        AgentReplied,
        ModelFailed,
        DocumentAdded,
        DocumentRemoved,
    ),
    key=by_tag("conversation", "document"),
    project=project,
)
