"""The read model `search` in PostgreSQL: two tables, each with its words as a `tsvector`."""

from collections.abc import Sequence
from typing import Annotated, Any

import asyncpg
import msgspec

from aigestion.queries.answer import Cursors, Page
from aigestion.queries.highlight import highlight
from aigestion.queries.passage_hit import PassageHit
from aigestion.queries.search import Hit, Question
from aigestion.queries.statements import fetch
from aigestion.readstores.port import View

WORDS_MAX = 32
COMMON_PASSAGES_MIN = 1_000
"""A word that more passages than this have, and more than half of them, is too common to look up."""


class PostgresTextSearch:
    """A `TextSearch`: hits are ordered by (score, id), and a cursor is the last of them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def page(
        self, view: View, question: Question, *, limit: int, cursor: str | None
    ) -> Page[Hit]:
        cursors = Cursors(_After, ("search", *msgspec.structs.astuple(question)))
        key = cursors.decode(cursor)
        after = (key.score, key.id) if key else (None, None)
        tenant, q = question.tenant, question.q
        found: list[Hit] = []
        if question.wants("message"):
            conversation = question.conversation_id and str(question.conversation_id)
            found += await self._hits(
                "search_messages", view, tenant, q, conversation, *after, limit + 1
            )
        if question.wants("document"):
            found += await self._hits("search_passages", view, tenant, q, *after, limit + 1)
        found.sort(key=lambda hit: (hit.score, hit.id), reverse=True)
        return cursors.page(found, limit, lambda last: _After(last.score, last.id))

    async def _hits(self, statement: str, view: View, *arguments: Any) -> list[Hit]:
        rows = await fetch(self._pool, statement, view, *arguments)
        return [_hit(row) for row in rows]

    async def passages(
        self, view: View, tenant: str, text: str, *, limit: int, documents: Sequence[str] | None
    ) -> list[PassageHit]:
        """Its longest `WORDS_MAX` words are looked for."""
        arguments = (tenant, text, limit, WORDS_MAX, COMMON_PASSAGES_MIN, documents)
        rows = await fetch(self._pool, "passages_by_words", view, *arguments)
        return [msgspec.convert(dict(row), PassageHit) for row in rows]


class _After(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    score: float
    id: Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[^\x00]*$")]


def _hit(row: asyncpg.Record) -> Hit:
    text, *marked = row["marked"]
    return msgspec.convert({**row, "highlight": highlight(text, marked)}, Hit)
