"""Every document that matches, as of one moment, page by page."""

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from aigestion.readstores.elasticsearch.answering import answering

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch

PAGE_DOCUMENTS_MAX = 1_000
KEEP_ALIVE = "5m"
"""How long the moment is kept from one page to the next: the reader sets the pace."""


async def scan(
    client: "AsyncElasticsearch",
    index: str,
    query: Mapping[str, Any],
    source: Mapping[str, Any] | bool = True,
    *,
    version: bool = False,
) -> AsyncIterator[list[dict[str, Any]]]:
    """Hits with `_id` and `_source`: of the fields asked for. Raises `NoSuchIndex`, `Unavailable`."""
    with answering():
        moment = (await client.open_point_in_time(index=index, keep_alive=KEEP_ALIVE)).body["id"]
    try:
        after: list[Any] | None = None
        while True:
            with answering():
                answer = await client.search(
                    pit={"id": moment, "keep_alive": KEEP_ALIVE},
                    query=query,
                    sort=["_shard_doc"],
                    search_after=after,
                    size=PAGE_DOCUMENTS_MAX,
                    source=source,
                    version=version,
                    track_total_hits=False,
                    allow_partial_search_results=False,
                )
            moment = answer.body.get("pit_id", moment)
            hits = answer.body["hits"]["hits"]
            if hits:
                yield hits
                after = hits[-1]["sort"]
            if len(hits) < PAGE_DOCUMENTS_MAX:
                return
    finally:
        await forget(client, moment)


async def forget(client: "AsyncElasticsearch", moment: str) -> None:
    """Give a point in time back. It goes by itself, only later."""
    with answering():
        await client.options(ignore_status=404).close_point_in_time(id=moment)
