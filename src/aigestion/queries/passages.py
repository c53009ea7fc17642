"""The read model `passages`, asked: what comes nearest to a question, by its meaning."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol
from uuid import UUID

import msgspec

from aigestion.projections.passage_rows import document_keys
from aigestion.projections.progress import WAIT_SECONDS_MAX, Progress
from aigestion.queries.answer import Answer, checked_limit
from aigestion.queries.passage_hit import PassageHit
from aigestion.readstores.port import View

TEXT_CHARS_MAX = 4_000
"""More of a question changes nothing: its vector stands for its first page."""


class SearchByMeaning(Protocol):
    """The part of a vector store that is asked here."""

    async def nearest(
        self,
        view: View,
        collection: str,
        text: str,
        *,
        tenant: str,
        limit: int,
        matching: Mapping[str, Any],
    ) -> list[tuple[float, dict[str, Any]]]: ...


class PassageQueries:
    """Passages of one tenant's documents."""

    def __init__(self, store: SearchByMeaning, progress: Progress) -> None:
        self._store = store
        self._progress = progress

    async def nearest(
        self,
        tenant: str,
        text: str,
        *,
        limit: int,
        documents: Collection[UUID] | None = None,
        min_position: int = 0,
    ) -> Answer[list[PassageHit]]:
        """The passages that mean most nearly what a text says or asks, in any language, best first.

        Of these documents only, if there are any named. A score is a cosine similarity: 1 for the same
        meaning. There is always a nearest one, however far: the caller draws the line. `InvalidInput`
        for a bad limit.
        """
        checked_limit(limit)
        # Embedding takes its time: who does not insist on a position is not kept waiting for the view.
        seconds = WAIT_SECONDS_MAX if min_position else 0.0
        view, position = await self._progress.at_least("passages", min_position, seconds)
        stale = self._progress.stale("passages", tenant)
        found = await self._store.nearest(
            view,
            "passages",
            text[:TEXT_CHARS_MAX],
            tenant=tenant,
            limit=limit,
            matching={}
            if documents is None
            else {"document_key": document_keys(tenant, documents)},
        )
        return Answer(position, [_hit(score, fields) for score, fields in found], stale)


def _hit(score: float, fields: Mapping[str, Any]) -> PassageHit:
    return msgspec.convert({**fields, "score": score}, PassageHit)
