"""Adding and removing documents."""

from uuid import UUID

from aigestion.commands.knowledge.add_document import AddDocument
from aigestion.commands.knowledge.remove_document import RemoveDocument
from aigestion.events.knowledge import DocumentAdded, DocumentRemoved
from aigestion.kernel.errors import NotFound
from aigestion.testing import given

DOCUMENT = UUID("01990000-0000-7000-8000-00000000000d")
FIELDS = {
    "document_id": DOCUMENT,
    "title": "Positions",
    "media_type": "text/plain",
    "source": None,
    "text": "Positions are dense.",
    "content_hash": "aa",
}
ADDED = DocumentAdded(**FIELDS)
REMOVED = DocumentRemoved(document_id=DOCUMENT)


def test_a_document_is_added() -> None:
    given().when(AddDocument(**FIELDS)).then(ADDED)


def test_the_same_text_again_is_no_news() -> None:
    given(ADDED).when(AddDocument(**FIELDS)).then_nothing()


def test_another_text_replaces_the_first() -> None:
    changed = FIELDS | {"text": "Positions have no holes.", "content_hash": "bb"}
    given(ADDED).when(AddDocument(**changed)).then(DocumentAdded(**changed))


def test_a_removed_document_may_come_back() -> None:
    given(ADDED, REMOVED).when(AddDocument(**FIELDS)).then(ADDED)


def test_a_document_is_removed_once() -> None:
    given(ADDED).when(RemoveDocument(DOCUMENT)).then(REMOVED)
    given(ADDED, REMOVED).when(RemoveDocument(DOCUMENT)).then_nothing()


def test_nobody_removes_what_was_never_there() -> None:
    given().when(RemoveDocument(DOCUMENT)).then_refused(NotFound)
