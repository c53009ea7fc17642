"""Knowledge: the documents a tenant's agents may quote."""

from typing import Annotated, ClassVar

from aigestion.events.event import DocumentId, Event, Personal


class DocumentAdded(Event, frozen=True, kw_only=True):
    """A document was added. Its text has a key of its own, so one document can be erased."""

    stored_as: ClassVar[str] = "document.added"
    document_id: DocumentId
    title: Annotated[str, Personal("document_id")]
    media_type: str
    source: str | None
    """Where it came from, as its owner names it: a path, a URL; not personal."""
    text: Annotated[str, Personal("document_id")]
    content_hash: str
    """Keyed hash of the text: the same text again is no news."""


class DocumentRemoved(Event, frozen=True, kw_only=True):
    """A document is no longer to be found or quoted."""

    stored_as: ClassVar[str] = "document.removed"
    document_id: DocumentId


EVENTS: tuple[type[Event], ...] = (DocumentAdded, DocumentRemoved)
