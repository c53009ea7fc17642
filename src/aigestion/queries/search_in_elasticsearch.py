"""The read model `search` in Elasticsearch: two indices, whose text is read as English and as Spanish."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import msgspec

from aigestion.kernel.errors import Unavailable
from aigestion.queries.answer import BIGINT_MAX, CURSOR_CHARS_MAX, Cursors, Page, invalid
from aigestion.queries.elasticsearch_bodies import Body, any_word, asked, marking, scored
from aigestion.queries.elasticsearch_marks import Marks
from aigestion.queries.passage_hit import PassageHit
from aigestion.queries.search import Hit, HitKind, Question
from aigestion.queries.web_question import telling, words_of
from aigestion.readstores.elasticsearch.answering import (
    ENGINE,
    NoSuchIndex,
    SearchForgotten,
    answering,
)
from aigestion.readstores.elasticsearch.scan import forget
from aigestion.readstores.elasticsearch.store import ElasticsearchReadStore
from aigestion.readstores.port import View

TIMEOUT_SECONDS = 10.0
CURSOR_MINUTES_MAX = 5
"""How long a search can be paged through from one page to the next."""
TEXT_CHARS_MAX = 50_000
"""Of a text whose words are looked for."""
WORDS_MAX = 32
COMMON_PASSAGES_MIN = 1_000
"""A word that more passages than this have, and more than half of them, is too common to look up."""

_COLLECTIONS: Mapping[HitKind, str] = {"message": "messages", "document": "passages"}
_KEEP_ALIVE = f"{CURSOR_MINUTES_MAX}m"
_SORT: list[Body] = [
    {"_score": {"order": "desc"}},
    {"position": {"order": "desc"}},
    {"n": {"order": "asc", "unmapped_type": "long"}},
]
_Long = Annotated[int, msgspec.Meta(ge=-BIGINT_MAX - 1, le=BIGINT_MAX)]


class _After(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The moment that all pages show, and the last hit shown: by `_SORT`, and by its place in the index."""

    moment: Annotated[str, msgspec.Meta(max_length=CURSOR_CHARS_MAX, pattern=r"^[\w=+/-]+$")]
    sort: tuple[float, _Long, _Long, _Long]


class ElasticsearchTextSearch:
    """A `TextSearch`: hits are ordered by score, then the newest first; all pages show one moment.

    A cursor ends `CURSOR_MINUTES_MAX` after the page it came with.
    """

    def __init__(self, store: ElasticsearchReadStore) -> None:
        self._indices = store.indices
        self._client = store.client.options(request_timeout=TIMEOUT_SECONDS)

    async def page(
        self, view: View, question: Question, *, limit: int, cursor: str | None
    ) -> Page[Hit]:
        cursors = Cursors(_After, ("search", *msgspec.structs.astuple(question)))
        key = cursors.decode(cursor)
        kinds = [kind for kind in _COLLECTIONS if question.wants(kind)]
        query = asked(question.q)
        if query is None or not kinds:
            return Page([], None)
        words = marking(question.q)
        marks = Marks(words)
        with _answered(view, with_cursor=key is not None):
            moment = key.moment if key else await self._moment(view, kinds)
            try:
                answer = await self._search(
                    pit={"id": moment, "keep_alive": _KEEP_ALIVE},
                    query=_within(question, query, dict.fromkeys(words, 1.0)),
                    sort=_SORT,
                    search_after=key.sort if key else None,
                    highlight=marks.request(),
                    size=limit + 1,
                )
            except BaseException:
                await self._forget(moment)
                raise
        hits, moment = answer["hits"]["hits"], answer["pit_id"]
        shown = [self._hit(view, hit, marks.shown(hit)) for hit in hits[:limit]]
        if len(hits) <= limit:
            await self._forget(moment)
            return Page(shown, None)
        return Page(shown, cursors.encode(_After(moment, tuple(hits[limit - 1]["sort"]))))

    async def passages(
        self, view: View, tenant: str, text: str, *, limit: int, documents: Sequence[str] | None
    ) -> list[PassageHit]:
        """Its longest `WORDS_MAX` words are looked for."""
        found = telling(words_of(text[:TEXT_CHARS_MAX]))
        words = sorted(found, key=lambda word: (-len(word), word))[:WORDS_MAX]
        if not words:
            return []
        question = Question(tenant, text, "document", None)
        index = self._indices.name(view, "passages")
        with _answered(view):
            counts, total = await self._counts(index, question, words, documents)
            if not counts:
                return []
            rare = [word for word in counts if counts[word] <= max(COMMON_PASSAGES_MIN, total // 2)]
            weights = {word: _weight(count, total) for word, count in counts.items()}
            answer = await self._search(
                index=index,
                query=_within(question, any_word(rare or counts), weights, documents),
                sort=_SORT,
                size=limit,
            )
        return [
            msgspec.convert({**hit["_source"], "score": hit["_score"]}, PassageHit)
            for hit in answer["hits"]["hits"]
        ]

    async def _counts(
        self,
        index: str,
        question: Question,
        words: Sequence[str],
        documents: Sequence[str] | None,
    ) -> tuple[dict[str, int], int]:
        """How many of the passages have each word, words that none has left out; and all of them."""
        answer = await self._search(
            index=index,
            query=_within(question, {"match_all": {}}, {}, documents),
            aggregations={
                "words": {"filters": {"filters": {word: any_word([word]) for word in words}}},
                "all": {"value_count": {"field": "position"}},
            },
            size=0,
        )
        found = answer["aggregations"]["words"]["buckets"]
        counts = {word: int(found[word]["doc_count"]) for word in words}
        total = int(answer["aggregations"]["all"]["value"])
        return {word: count for word, count in counts.items() if count}, total

    async def _moment(self, view: View, kinds: Sequence[HitKind]) -> str:
        indices = [self._indices.name(view, _COLLECTIONS[kind]) for kind in kinds]
        answer = await self._client.open_point_in_time(index=indices, keep_alive=_KEEP_ALIVE)
        return str(answer.body["id"])

    async def _search(self, **how: Any) -> Any:
        answer = await self._client.search(
            source={"excludes": ["*_plain"]},
            timeout=f"{TIMEOUT_SECONDS:g}s",
            track_total_hits=False,
            allow_partial_search_results=False,
            **how,
        )
        if answer.body["timed_out"]:
            raise Unavailable("Elasticsearch takes too long over a search.", engine=ENGINE)
        return answer.body

    async def _forget(self, moment: str) -> None:
        with suppress(Exception):  # it goes by itself
            await forget(self._client, moment)

    def _hit(self, view: View, hit: Mapping[str, Any], shown: str) -> Hit:
        kind = self._kind(view, hit["_index"])
        row = hit["_source"]
        passage = (
            {"passage": row["n"], "id": f"{row['document_id']}/{row['n']}"} if "n" in row else {}
        )
        fields = {
            "id": hit["_id"], "title": None, **row, **passage,
            "kind": kind, "score": hit["_score"], "highlight": shown,
        }  # fmt: skip
        return msgspec.convert(fields, Hit)

    def _kind(self, view: View, index: str) -> HitKind:
        """A cursor may have been made up: what it leads to must be ours."""
        of_projection = f"{self._indices.namespace}-{view.projection}_v"
        for kind, collection in _COLLECTIONS.items():
            if index.startswith(of_projection) and index.endswith(f"-{collection}"):
                return kind
        raise invalid("cursor", "is not a cursor of this query")


def _within(
    question: Question,
    query: Body,
    words: Mapping[str, float],
    documents: Sequence[str] | None = None,
) -> Body:
    """What matches, of this tenant only, whatever is asked; scored by the words with their weights."""
    filters: list[Body] = [{"term": {"tenant": question.tenant}}, query]
    if question.conversation_id is not None:
        filters.append({"term": {"conversation_id": str(question.conversation_id)}})
    if documents is not None:
        filters.append({"terms": {"document_key": list(documents)}})
    return {"bool": {"filter": filters, "should": scored(words)}}


def _weight(count: int, total: int) -> float:
    """The fewer passages have a word, the more it counts."""
    return math.log(1 + (total - count + 0.5) / (count + 0.5))


@contextmanager
def _answered(view: View, *, with_cursor: bool = False) -> Iterator[None]:
    """The errors of a search, as the caller is to hear of them."""
    from elasticsearch import BadRequestError

    try:
        with answering():
            yield
    except NoSuchIndex as error:
        raise Unavailable(f"The view {view.name} was just replaced.", engine=ENGINE) from error
    except SearchForgotten as error:
        what = (
            f"is too old: a page leads to the next for {CURSOR_MINUTES_MAX} minutes; search again"
        )
        raise invalid("cursor", what) from error
    except BadRequestError as error:
        if with_cursor:  # without one it would be a fault of ours
            raise invalid("cursor", "is not a cursor of this query") from error
        raise
