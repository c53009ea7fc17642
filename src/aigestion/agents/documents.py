"""Passages as the log has them: what a run found earlier, read again."""

from typing import Any
from uuid import UUID

from aigestion.events.knowledge import DocumentAdded
from aigestion.events.recorded import Recorded
from aigestion.events.run import RunContextRetrieved
from aigestion.eventstore.reader import Events
from aigestion.kernel.query import matching
from aigestion.llm.port import Source
from aigestion.projections.chunking import passages_of
from aigestion.projections.text import storable


async def sources_found(
    events: Events, context: Recorded[RunContextRetrieved]
) -> tuple[Source, ...]:
    """The passages of a recorded context, as its tenant's documents stood then.

    Passages that are no more (their document is erased, or cut differently now) are left out; the
    others keep their numbers.
    """
    texts: dict[UUID, Recorded[DocumentAdded] | None] = {}
    sources: list[Source] = []
    for number, found in enumerate(context.data.passages, start=1):
        if found.document_id not in texts:
            texts[found.document_id] = await _document(events, found.document_id, context.position)
        document = texts[found.document_id]
        if document is None or document.erased:
            continue
        passages = passages_of(storable(document.data.text), document.data.media_type)
        if found.passage < len(passages):
            title, text = storable(document.data.title), passages[found.passage]
            sources.append(Source(number, found.document_id, found.passage, title, text))
    return tuple(sources)


async def _document(events: Events, document_id: UUID, before: int) -> Recorded[Any] | None:
    """What was added last under this id before a position."""
    query = matching(f"document:{document_id}", types=(DocumentAdded.stored_as,))
    added = [one for one in await events.read(query) if one.position < before]
    return added[-1] if added else None
