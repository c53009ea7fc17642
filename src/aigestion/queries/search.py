"""Full text over messages and documents, in English and Spanish at once."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from aigestion.projections.progress import Progress
from aigestion.queries.answer import Answer, Page
from aigestion.queries.passage_hit import PassageHit

QUERY_CHARS_MAX = 1_000

HitKind = Literal["message", "document"]


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A message or a passage of a document in which the words were found."""

    kind: HitKind
    id: str
    """The message's id, or `<document id>/<passage>`."""
    conversation_id: UUID | None = None
    """Of a message."""
    document_id: UUID | None = None
    """Of a document."""
    passage: int | None = None
    """The passage's index in its document, from 0."""
    title: str | None
    """Of the conversation or the document."""
    highlight: str
    """HTML: the matches in `<mark>`, everything else escaped."""
    score: float
    position: int
    occurred_at: datetime


class SearchQueries:
    """Search within one tenant."""

    def __init__(self, pool: asyncpg.Pool, progress: Progress) -> None:
        self._pool = pool
        self._progress = progress

    async def search(
        self,
        tenant: str,
        q: str,
        *,
        kind: HitKind | None = None,
        conversation_id: UUID | None = None,
        limit: int,
        cursor: str | None = None,
        min_position: int = 0,
    ) -> Answer[Page[Hit]]:
        """The best hits first. `q` as in a web search: words, "a phrase", or, -without.

        A `conversation_id` asks for messages of that conversation only.
        `InvalidInput` for a bad q, limit or cursor.
        """
        raise NotImplementedError

    async def passages(
        self, tenant: str, q: str, limit: int, *, min_position: int = 0
    ) -> Answer[list[PassageHit]]:
        """The passages that share words with `q`, rare words counting more; for agents.

        Takes any text, a whole question for example.
        """
        raise NotImplementedError
