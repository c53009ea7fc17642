"""Use case: a document is no longer to be found or quoted."""

from uuid import UUID

import msgspec

from aigestion.commands.knowledge.state import INITIAL, Document, boundary, evolve
from aigestion.events.knowledge import DocumentRemoved
from aigestion.kernel.decider import UseCase
from aigestion.kernel.errors import NotFound


class RemoveDocument(msgspec.Struct, frozen=True):
    document_id: UUID


def decide(command: RemoveDocument, state: Document) -> list[DocumentRemoved]:
    if state.removed:
        return []
    if state.content_hash is None:
        raise NotFound("There is no such document.")
    return [DocumentRemoved(document_id=command.document_id)]


remove_document = UseCase(
    RemoveDocument, lambda command: boundary(command.document_id), INITIAL, evolve, decide
)
