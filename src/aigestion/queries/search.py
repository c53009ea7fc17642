"""Full text over messages and documents, in English and Spanish at once."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from aigestion.projections.keys import key_of
from aigestion.projections.passage_rows import document_keys
from aigestion.projections.progress import Progress
from aigestion.queries.answer import Answer, Page, checked_limit, invalid, is_text
from aigestion.queries.conversations import ConversationQueries
from aigestion.queries.passage_hit import PassageHit
from aigestion.readcache.cached import Asked, Cached
from aigestion.readstores.port import View

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


class Question(msgspec.Struct, frozen=True):
    """What is looked for, and where."""

    tenant: str
    q: str
    """As in a web search: words, "a phrase", or, -without."""
    kind: HitKind | None
    conversation_id: UUID | None

    def wants(self, kind: HitKind) -> bool:
        """Whether hits of this kind are asked for; in a conversation there are messages only."""
        if kind == "document" and self.conversation_id is not None:
            return False
        return self.kind in (None, kind)


class TextSearch(Protocol):
    """A store in which the read model `search` is looked through: every adapter finds the same."""

    async def page(
        self, view: View, question: Question, *, limit: int, cursor: str | None
    ) -> Page[Hit]:
        """The best hits first, messages without a title. `InvalidInput` for a cursor that is not ours."""
        ...

    async def passages(
        self, view: View, tenant: str, text: str, *, limit: int, documents: Sequence[str] | None
    ) -> list[PassageHit]:
        """Passages that share words with any text, rare words counting more.

        Documents (their keys): as if the tenant had no others.
        """
        ...


class SearchQueries:
    """Search within one tenant."""

    def __init__(
        self,
        store: TextSearch,
        conversations: ConversationQueries,
        progress: Progress,
        cached: Cached | None = None,
    ) -> None:
        self._store = store
        self._cached = cached or Cached()
        self._conversations = conversations
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
        question = Question(tenant, q, kind, conversation_id)
        view, position = await self._progress.at_least("search", min_position)
        stale = self._progress.stale("search", tenant, *_keys(question))
        page = await self._cached.answer(
            Asked(
                tenant=tenant,
                query="search",
                arguments=(question, limit, cursor),
                views=((view.name, position),),
            ),
            Page[Hit],
            partial(self._store.page, view, question, limit=limit, cursor=cursor),
            cacheable=not stale,
        )
        # Titles come from another view, which has a position of its own: they are always looked up.
        hits = await self._titled(tenant, page.items)
        return Answer(position, Page(hits, page.next_cursor), stale)

    async def _titled(self, tenant: str, hits: Sequence[Hit]) -> list[Hit]:
        """Messages with the titles of their conversations."""
        ids = {hit.conversation_id for hit in hits if hit.conversation_id is not None}
        titles = await self._conversations.titles(tenant, ids) if ids else {}
        return [
            hit
            if hit.conversation_id is None
            else msgspec.structs.replace(hit, title=titles.get(hit.conversation_id))
            for hit in hits
        ]

    async def passages(
        self,
        tenant: str,
        q: str,
        limit: int,
        *,
        documents: Collection[UUID] | None = None,
        min_position: int = 0,
    ) -> Answer[list[PassageHit]]:
        """The passages that share words with `q`, rare words counting more; for agents.

        Of these documents only, if there are any named.

        Takes any text, a whole question for example.
        """
        checked_limit(limit)
        view, position = await self._progress.at_least("search", min_position)
        stale = self._progress.stale("search", tenant)
        text = q.replace("\0", " ")
        keys = None if documents is None else document_keys(tenant, documents)
        found = await self._store.passages(view, tenant, text, limit=limit, documents=keys)
        return Answer(position, found, stale)


def _keys(question: Question) -> list[str]:
    """The only lines that can have hits; none named: any of the tenant's."""
    if question.conversation_id is None:
        return []
    return [key_of(question.tenant, "conversation", question.conversation_id)]


def _check_words(q: str) -> None:
    if not q.strip() or len(q) > QUERY_CHARS_MAX:
        raise invalid("q", f"must have from 1 to {QUERY_CHARS_MAX} characters")
    if not is_text(q):
        raise invalid("q", "must be text, without NUL and lone surrogates")
