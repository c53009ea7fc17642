"""Finds what a run shows its model: the last turns, and the passages that fit the question best."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from aigestion.agents.definition import Limits
from aigestion.agents.fusion import fused
from aigestion.agents.prompt import History
from aigestion.agents.turns import as_told, turn_of_message
from aigestion.events.run import RetrievedPassage
from aigestion.kernel.errors import Unavailable, ViewBehind
from aigestion.llm.port import Source, Turn
from aigestion.llm.small_talk import small_talk
from aigestion.llm.words import content_words
from aigestion.queries.answer import Answer
from aigestion.queries.conversations import Message
from aigestion.queries.passage_hit import PassageHit

CANDIDATES_MAX = 24
"""How many passages each of the two searches may offer."""
QUESTION_CHARS_MAX = 1_000
"""How much of a long message the searches are asked with."""
SIMILARITY_MIN = 0.84
"""Cosine similarity below which a passage is about something else. Measured for multilingual-e5-small on
this project's documentation: its own questions reach 0.85 to 0.93, questions about anything else 0.75 to 0.836."""
COVERAGE_MIN = 0.5
"""Which part of the question's telling words a passage must hold to count as found by its words."""
SCORE_DIGITS = 5
"""More would tell nothing: neighbouring ranks differ in the fourth."""

_log = logging.getLogger(__name__)


class LastTurns(Protocol):
    """The part of `ConversationQueries` an agent reads."""

    async def turns(
        self,
        tenant: str,
        conversation_id: UUID,
        *,
        before: int,
        limit: int,
        min_position: int = 0,
    ) -> Answer[list[Message]]: ...


class PassagesByWords(Protocol):
    """The part of `SearchQueries` an agent reads."""

    async def passages(
        self,
        tenant: str,
        q: str,
        limit: int,
        *,
        documents: Collection[UUID] | None,
        min_position: int = 0,
    ) -> Answer[list[PassageHit]]: ...


class PassagesByMeaning(Protocol):
    """`PassageQueries`; a hit's score is its cosine similarity."""

    async def nearest(
        self, tenant: str, text: str, *, limit: int, documents: Collection[UUID] | None
    ) -> Answer[list[PassageHit]]: ...


class Found(msgspec.Struct, frozen=True):
    """A passage with the score it was chosen by."""

    source: Source
    score: float

    @property
    def retrieved(self) -> RetrievedPassage:
        score = round(self.score, SCORE_DIGITS)
        return RetrievedPassage(self.source.document_id, self.source.passage, score)


class ContextSearch:
    """Reads as of the question: turns and words wait, briefly, until their view has that position."""

    def __init__(
        self,
        conversations: LastTurns,
        by_words: PassagesByWords,
        by_meaning: PassagesByMeaning,
        *,
        similarity_min: float = SIMILARITY_MIN,
    ) -> None:
        self._conversations = conversations
        self._by_words = by_words
        self._by_meaning = by_meaning
        self._similarity_min = similarity_min

    async def history(
        self, tenant: str, conversation_id: UUID, before: int, limits: Limits
    ) -> History:
        """The last turns before a position, whole ones only, beginning with one of the user's."""
        answer = await self._conversations.turns(
            tenant,
            conversation_id,
            before=before,
            limit=limits.history_turns_max,
            min_position=before,
        )
        said: list[tuple[Message, Turn]] = []
        chars = 0
        for message in reversed(answer.data):
            turn = turn_of_message(message)
            if turn is None:
                continue
            chars += len(turn.text)
            if chars > limits.history_chars_max:
                break
            said.append((message, turn))
        said.reverse()
        while said and said[0][1].role != "user":
            said.pop(0)
        if not said:
            return History()
        told = as_told((message.in_reply_to, turn) for message, turn in said)
        return History(told, said[0][0].position, said[-1][0].position)

    async def passages(
        self,
        tenant: str,
        question: Turn,
        history: History,
        as_of: int,
        limits: Limits,
        documents: tuple[UUID, ...] | None = None,
    ) -> tuple[Found, ...]:
        """The best passages, of these documents only, numbered from 1; none if nothing fits or is asked.

        One of the two searches may fail. `Unavailable` if both do.
        """
        if small_talk(question.text) or documents == ():
            return ()
        asked = _search_text(question, history)
        by_meaning, by_words = await asyncio.gather(
            # Embedding a library takes minutes, and nobody waits that long: what is newer is found by
            # its words meanwhile.
            self._attempt(
                "passages by meaning",
                lambda _: self._by_meaning.nearest(
                    tenant, asked, limit=CANDIDATES_MAX, documents=documents
                ),
                as_of,
            ),
            self._attempt(
                "passages by words",
                lambda at: self._by_words.passages(
                    tenant, asked, CANDIDATES_MAX, documents=documents, min_position=at
                ),
                as_of,
            ),
        )
        if by_meaning is None and by_words is None:
            raise Unavailable("No search over the documents answers.", engine="search")
        near = [hit for hit in by_meaning or () if hit.score >= self._similarity_min]
        words = content_words(asked)
        worded = [hit for hit in by_words or () if _coverage(words, hit.text) >= COVERAGE_MIN]
        return _numbered(near, worded, limits.passages_max)

    async def _attempt(
        self, what: str, search: Callable[[int], Awaitable[Answer[list[PassageHit]]]], as_of: int
    ) -> list[PassageHit] | None:
        """Hits as fresh as can be had; None if there are none to be had."""
        try:
            try:
                return (await search(as_of)).data
            except ViewBehind:
                _log.info("%s: the view is behind, using it as it is", what)
                return (await search(0)).data
        except (Unavailable, ViewBehind) as error:
            _log.info("%s: going on without: %s", what, error)
            return None


def _search_text(question: Turn, history: History) -> str:
    """A question that names nothing ("and why?") is searched together with the one before it."""
    text = question.text
    if not content_words(text):
        earlier = [turn.text for turn in history.turns if turn.role == "user"]
        text = " ".join([*earlier[-1:], text])
    return text[:QUESTION_CHARS_MAX]


def _coverage(words: frozenset[str], passage: str) -> float:
    return len(words & content_words(passage)) / len(words) if words else 0.0


def _numbered(
    near: Sequence[PassageHit], worded: Sequence[PassageHit], passages_max: int
) -> tuple[Found, ...]:
    hits = {(hit.document_id, hit.n): hit for hit in (*near, *worded)}
    rankings = [[(hit.document_id, hit.n) for hit in ranking] for ranking in (near, worded)]
    found: list[Found] = []
    texts: set[str] = set()
    for key, score in fused(rankings):
        hit = hits[key]
        if len(found) < passages_max and hit.text not in texts:  # One text may be in two documents.
            texts.add(hit.text)
            source = Source(len(found) + 1, hit.document_id, hit.n, hit.title, hit.text)
            found.append(Found(source, score))
    return tuple(found)
