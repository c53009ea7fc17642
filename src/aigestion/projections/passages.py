"""The read model `passages`: what agents may quote, found by its meaning."""

from collections.abc import Iterator, Sequence
from typing import Any

from aigestion.events.knowledge import DocumentAdded, DocumentRemoved
from aigestion.events.recorded import Recorded
from aigestion.projections.chunking import passages_of
from aigestion.projections.keys import by_tag
from aigestion.projections.projection import Projection
from aigestion.projections.text import storable
from aigestion.readstores.port import Change, DeleteWhere, Put


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """A row a passage; a new text takes the old one's passages away. The store embeds `text`."""
    match recorded.data:
        case DocumentAdded() as added:
            return [_forget(recorded, added), *_passages(recorded, added)]
        case DocumentRemoved() as removed:
            return [_forget(recorded, removed)]
        case _:
            return []


def _passages(recorded: Recorded[Any], added: DocumentAdded) -> Iterator[Put]:
    if "text" in recorded.erased:
        return
    document_key = _document_key(recorded, added)
    for n, text in enumerate(passages_of(storable(added.text), added.media_type)):
        fields = {
            "document_key": document_key,
            "tenant": recorded.tenant,
            "document_id": str(added.document_id),
            "n": n,
            "title": storable(added.title),
            "text": text,
            "position": recorded.position,
        }
        yield Put("passages", f"{document_key}/{n}", fields)


def _forget(recorded: Recorded[Any], event: DocumentAdded | DocumentRemoved) -> DeleteWhere:
    return DeleteWhere("passages", "document_key", _document_key(recorded, event))


def _document_key(recorded: Recorded[Any], event: DocumentAdded | DocumentRemoved) -> str:
    """Ids belong to their tenant: the same one of another tenant is another document (law 9)."""
    return f"{recorded.tenant}/{event.document_id}"


passages = Projection(
    name="passages",
    version=1,
    store="vectors",
    collections=("passages",),
    reads=(DocumentAdded, DocumentRemoved),
    key=by_tag("document"),
    project=project,
)
