"""Use case: add a document, or a new text of one that is there."""

from uuid import UUID

import msgspec

from aigestion.commands.knowledge.state import INITIAL, Document, boundary, evolve
from aigestion.events.knowledge import DocumentAdded
from aigestion.kernel.decider import UseCase


class AddDocument(msgspec.Struct, frozen=True, kw_only=True):
    document_id: UUID
    title: str
    media_type: str
    source: str | None
    text: str
    content_hash: str


def decide(command: AddDocument, state: Document) -> list[DocumentAdded]:
    if state.content_hash == command.content_hash:
        return []
    return [
        DocumentAdded(
            document_id=command.document_id,
            title=command.title,
            media_type=command.media_type,
            source=command.source,
            text=command.text,
            content_hash=command.content_hash,
        )
    ]


add_document = UseCase(
    AddDocument, lambda command: boundary(command.document_id), INITIAL, evolve, decide
)
