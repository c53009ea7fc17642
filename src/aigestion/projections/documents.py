"""The read model `documents`: what agents may quote, and the passages it was cut into."""

from collections.abc import Iterator, Sequence
from typing import Any

from aigestion.events.knowledge import DocumentAdded, DocumentRemoved
from aigestion.events.recorded import Recorded
from aigestion.projections.keys import by_tag
from aigestion.projections.passage_rows import document_key, forget_passages, passage_rows
from aigestion.projections.projection import Projection
from aigestion.projections.text import storable
from aigestion.readstores.port import Change, Delete, Put


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """A row a document and a row a passage; a new text takes the old one's passages away."""
    match recorded.data:
        case DocumentAdded() as added:
            return [forget_passages(recorded, added), *_document(recorded, added)]
        case DocumentRemoved() as removed:
            return [
                forget_passages(recorded, removed),
                Delete("documents", document_key(recorded.tenant, removed.document_id)),
            ]
        case _:
            return []


def _document(recorded: Recorded[Any], added: DocumentAdded) -> Iterator[Put]:
    rows = passage_rows(recorded, added)
    document = {
        "tenant": recorded.tenant,
        "document_id": str(added.document_id),
        "title": storable(added.title),
        "media_type": added.media_type,
        "source": None if added.source is None else storable(added.source),
        "bytes": 0 if "text" in recorded.erased else len(added.text.encode()),
        "passages": len(rows),
        "added_at": recorded.occurred_at,
        "position": recorded.position,
    }
    yield Put("documents", document_key(recorded.tenant, added.document_id), document)
    for key, fields in rows.items():
        yield Put("passages", key, fields | {"added_at": recorded.occurred_at})


documents = Projection(
    name="documents",
    version=2,
    store="lists",
    collections=("documents", "passages"),
    reads=(DocumentAdded, DocumentRemoved),
    key=by_tag("document"),
    project=project,
)
