"""Passages of documents as rows: what `documents`, `search` and `passages` keep of each in common."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from aigestion.events.knowledge import DocumentAdded, DocumentRemoved
from aigestion.events.recorded import Recorded
from aigestion.projections.chunking import passages_of
from aigestion.projections.text import storable
from aigestion.readstores.port import DeleteWhere


def passage_rows(recorded: Recorded[Any], added: DocumentAdded) -> dict[str, dict[str, Any]]:
    """The fields of each passage by its key, in order; none if the text was erased."""
    if "text" in recorded.erased:
        return {}
    of = document_key(recorded.tenant, added.document_id)
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
    key = document_key(recorded.tenant, event.document_id)
    return DeleteWhere("passages", "document_key", key)


def document_key(tenant: str, document_id: UUID) -> str:
    """Ids belong to their tenant: the same one of another tenant is another document (law 9)."""
    return f"{tenant}/{document_id}"


def document_keys(tenant: str, document_ids: Collection[UUID]) -> list[str]:
    """The keys of a tenant's documents."""
    return [document_key(tenant, document_id) for document_id in document_ids]
