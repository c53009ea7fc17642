"""Passages of documents as rows: what `documents`, `search` and `passages` keep of each in common."""

from typing import Any

from aigestion.events.knowledge import DocumentAdded, DocumentRemoved
from aigestion.events.recorded import Recorded
from aigestion.projections.chunking import passages_of
from aigestion.projections.text import storable
from aigestion.readstores.port import DeleteWhere


def passage_rows(recorded: Recorded[Any], added: DocumentAdded) -> dict[str, dict[str, Any]]:
    """The fields of each passage by its key, in order; none if the text was erased."""
    if "text" in recorded.erased:
        return {}
    of = document_key(recorded, added)
    return {
        f"{of}/{n}": {
            "tenant": recorded.tenant,
            "document_key": of,
            "document_id": str(added.document_id),
            "n": n,
            "title": storable(added.title),
            "text": text,
            "position": recorded.position,
        }
        for n, text in enumerate(passages_of(storable(added.text), added.media_type))
    }


def forget_passages(recorded: Recorded[Any], event: DocumentAdded | DocumentRemoved) -> DeleteWhere:
    """A new text takes the old one's passages away, and so does the removal of the document."""
    return DeleteWhere("passages", "document_key", document_key(recorded, event))


def document_key(recorded: Recorded[Any], event: DocumentAdded | DocumentRemoved) -> str:
    """Ids belong to their tenant: the same one of another tenant is another document (law 9)."""
    return f"{recorded.tenant}/{event.document_id}"
