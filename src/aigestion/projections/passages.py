"""The read model `passages`: what agents may quote, found by its meaning."""

from collections.abc import Iterator, Sequence
from typing import Any

from aigestion.events.knowledge import DocumentAdded, DocumentRemoved
from aigestion.events.recorded import Recorded
from aigestion.projections.keys import by_tag
from aigestion.projections.passage_rows import forget_passages, passage_rows
from aigestion.projections.projection import Projection
from aigestion.readstores.port import Change, Put


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """A row a passage; a new text takes the old one's passages away. The store embeds `text`."""
    match recorded.data:
        case DocumentAdded() as added:
            return [forget_passages(recorded, added), *_passages(recorded, added)]
        case DocumentRemoved() as removed:
            return [forget_passages(recorded, removed)]
        case _:
            return []


def _passages(recorded: Recorded[Any], added: DocumentAdded) -> Iterator[Put]:
    for key, fields in passage_rows(recorded, added).items():
        yield Put("passages", key, fields)


passages = Projection(
    name="passages",
    version=1,
    store="vectors",
    collections=("passages",),
    reads=(DocumentAdded, DocumentRemoved),
    key=by_tag("document"),
    project=project,
)
