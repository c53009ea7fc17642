"""Full text over messages and documents, in English and Spanish at once."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from aigestion.projections.progress import Progress
from aigestion.queries.answer import Answer, Cursors, Page, checked_limit, invalid, is_text
from aigestion.queries.highlight import highlight
from aigestion.queries.passage_hit import PassageHit
from aigestion.queries.statements import fetch
from aigestion.readstores.port import View

QUERY_CHARS_MAX = 1_000
WORDS_MAX = 32
COMMON_PASSAGES_MIN = 1_000
"""A word that more passages than this have, and more than half of them, is too common to look up."""

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
        _check_words(q)
        checked_limit(limit)
        cursors = Cursors(_After, ("search", tenant, q, kind, conversation_id))
        key = cursors.decode(cursor)
        after = (key.score, key.id) if key else (None, None)
        found: list[Hit] = []
        positions: list[int] = []
        if kind != "document":
            view, position = await self._progress.at_least("conversations", min_position)
            conversation = None if conversation_id is None else str(conversation_id)
            found += await self._hits(
                "search_messages", view, tenant, q, conversation, *after, limit + 1
            )
            positions.append(position)
        if kind != "message" and conversation_id is None:
            view, position = await self._progress.at_least("documents", min_position)
            found += await self._hits("search_passages", view, tenant, q, *after, limit + 1)
            positions.append(position)
        found.sort(key=lambda hit: (hit.score, hit.id), reverse=True)
        page = cursors.page(found, limit, lambda last: _After(last.score, last.id))
        return Answer(min(positions), page)

    async def _hits(self, statement: str, view: View, *arguments: Any) -> list[Hit]:
        rows = await fetch(self._pool, statement, view, *arguments)
        return [_hit(row) for row in rows]

    async def passages(
        self, tenant: str, q: str, limit: int, *, min_position: int = 0
    ) -> Answer[list[PassageHit]]:
        """The passages that share words with `q`, rare words counting more; for agents.

        Takes any text, a whole question for example; its longest `WORDS_MAX` words are looked for.
        """
        checked_limit(limit)
        view, position = await self._progress.at_least("documents", min_position)
        text = q.replace("\0", " ")
        rows = await fetch(
            self._pool,
            "passages_by_words",
            view,
            tenant,
            text,
            limit,
            WORDS_MAX,
            COMMON_PASSAGES_MIN,
        )
        return Answer(position, [msgspec.convert(dict(row), PassageHit) for row in rows])


class _After(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    score: float
    id: Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[^\x00]*$")]


def _hit(row: asyncpg.Record) -> Hit:
    text, *marked = row["marked"]
    return msgspec.convert({**row, "highlight": highlight(text, marked)}, Hit)


def _check_words(q: str) -> None:
    if not q.strip() or len(q) > QUERY_CHARS_MAX:
        raise invalid("q", f"must have from 1 to {QUERY_CHARS_MAX} characters")
    if not is_text(q):
        raise invalid("q", "must be text, without NUL and lone surrogates")
