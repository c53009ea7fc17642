"""The read model `documents`, asked: list, one document."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from aigestion.kernel.errors import NotFound, Unavailable
from aigestion.projections.keys import key_of
from aigestion.projections.progress import Progress
from aigestion.queries.answer import Answer, Cursors, Page, Position, checked_limit
from aigestion.queries.statements import fetch


class DocumentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list of documents."""

    document_id: UUID
    title: str
    media_type: str
    source: str | None
    bytes: int
    """Length of its text in UTF-8."""
    passages: int
    added_at: datetime
    position: int
    """Of the event that added its present text; the list is ordered by it, newest first."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document with the passages its text was cut into."""

    document_id: UUID
    title: str
    media_type: str
    source: str | None
    bytes: int
    added_at: datetime
    position: int
    passages: list[str]
    """In order: a citation's `passage` is an index into it."""
    stale: bool = False
    """There may be a later text of it, or it may be removed: it waits in quarantine."""


class DocumentQueries:
    """Documents of one tenant; another tenant's do not exist."""

    def __init__(self, pool: asyncpg.Pool, progress: Progress) -> None:
        self._pool = pool
        self._progress = progress

    async def page(
        self, tenant: str, *, limit: int, cursor: str | None = None, min_position: int = 0
    ) -> Answer[Page[DocumentSummary]]:
        """The newest documents first. `InvalidInput` for a bad limit or cursor."""
        checked_limit(limit)
        cursors = Cursors(_Before, ("documents", tenant))
        key = cursors.decode(cursor)
        view, position = await self._progress.at_least("documents", min_position)
        stale = self._progress.stale("documents", tenant)
        before = key.position if key else None
        rows = await fetch(self._pool, "documents_page", view, tenant, before, limit + 1)
        found = [msgspec.convert(dict(row), DocumentSummary) for row in rows]
        page = cursors.page(found, limit, lambda last: _Before(last.position))
        return Answer(position, page, stale)

    async def document(
        self, tenant: str, document_id: UUID, *, min_position: int = 0
    ) -> Answer[Document]:
        """One document. `NotFound` if the tenant has none of that id.

        `Unavailable` if all there is of it is in quarantine.
        """
        view, position = await self._progress.at_least("documents", min_position)
        key = key_of(tenant, "document", document_id)
        stale = self._progress.stale("documents", tenant, key)
        found = await fetch(self._pool, "document", view, tenant, str(document_id))
        if not found:
            if stale:
                raise Unavailable("The document is in quarantine.", engine="documents")
            raise NotFound("There is no such document.")
        return Answer(position, msgspec.convert(dict(found[0]), Document), stale)


class _Before(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    position: Position
