"""The read model `documents`: what agents may quote, and the passages it was cut into."""

from collections.abc import Iterator, Sequence
from typing import Any

from aigestion.events.knowledge import DocumentAdded, DocumentRemoved
from aigestion.events.recorded import Recorded
from aigestion.projections.chunking import passages_of
from aigestion.projections.keys import by_tag
from aigestion.projections.projection import Projection
from aigestion.projections.text import storable
from aigestion.readstores.port import Change, Delete, DeleteWhere, Put


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """A row a document and a row a passage; a new text takes the old one's passages away."""
    match recorded.data:
        case DocumentAdded() as added:
            return [_forget_passages(recorded, added), *_document(recorded, added)]
        case DocumentRemoved() as removed:
            return [
                _forget_passages(recorded, removed),
                Delete("documents", _key(recorded, removed)),
            ]
        case _:
            return []


def _document(recorded: Recorded[Any], added: DocumentAdded) -> Iterator[Put]:
    key = _key(recorded, added)
    erased = "text" in recorded.erased
    passages = [] if erased else passages_of(storable(added.text), added.media_type)
    common = {
        "tenant": recorded.tenant,
        "document_id": str(added.document_id),
        "title": storable(added.title),
        "added_at": recorded.occurred_at,
        "position": recorded.position,
    }
    document = {
        "media_type": added.media_type,
        "source": None if added.source is None else storable(added.source),
        "bytes": 0 if erased else len(added.text.encode()),
        "passages": len(passages),
    }
    yield Put("documents", key, common | document)
    for n, text in enumerate(passages):
        passage = {"document_key": key, "n": n, "text": text}
        yield Put("passages", f"{key}/{n}", common | passage)


def _forget_passages(
    recorded: Recorded[Any], event: DocumentAdded | DocumentRemoved
) -> DeleteWhere:
    return DeleteWhere("passages", "document_key", _key(recorded, event))


def _key(recorded: Recorded[Any], event: DocumentAdded | DocumentRemoved) -> str:
    """Ids belong to their tenant: the same one of another tenant is another document (law 9)."""
    return f"{recorded.tenant}/{event.document_id}"


documents = Projection(
    name="documents",
    version=2,
    store="lists",
    collections=("documents", "passages"),
    reads=(DocumentAdded, DocumentRemoved),
    key=by_tag("document"),
    project=project,
)
