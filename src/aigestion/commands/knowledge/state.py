"""What the rules of a document read: that it is there, and a hash of what it says."""

from uuid import UUID

import msgspec

from aigestion.events.knowledge import DocumentAdded, DocumentRemoved
from aigestion.kernel.query import Query, matching


class Document(msgspec.Struct, frozen=True):
    content_hash: str | None = None
    removed: bool = False


INITIAL = Document()


def boundary(document_id: UUID) -> Query:
    types = (DocumentAdded.stored_as, DocumentRemoved.stored_as)
    return matching(f"document:{document_id}", types=types)


def evolve(state: Document, event: DocumentAdded | DocumentRemoved) -> Document:
    match event:
        case DocumentAdded():
            return Document(event.content_hash)
        case DocumentRemoved():
            return Document(removed=True)
