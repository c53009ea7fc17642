"""Read models in a real PostgreSQL, the one for search wherever it is to be, filled from events recorded by hand."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from aigestion.events.recorded import Recorded
from aigestion.eventstore.pool import opened_pool
from aigestion.projections.catalog import PROJECTIONS
from aigestion.projections.progress import Progress
from aigestion.projections.projection import Projection
from aigestion.queries.conversations import ConversationQueries
from aigestion.queries.search import SearchQueries, TextSearch
from aigestion.queries.search_in_postgres import PostgresTextSearch
from aigestion.readstores.port import ReadStore, View
from aigestion.readstores.postgres.store import PostgresReadStore
from tests.support.log import migrated

IN_POSTGRES = tuple(
    projection for projection in PROJECTIONS if projection.store in ("lists", "search")
)


@asynccontextmanager
async def runtime_pool(owner_url: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool of the runtime role: what the program may do, and no more."""
    async with opened_pool(await migrated(owner_url), connections_max=4) as pool:
        yield pool


class Views:
    """The serving views, and what this process knows of them."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        generation: int = 1,
        *,
        search_store: ReadStore | None = None,
        text_search: TextSearch | None = None,
    ) -> None:
        self.pool = pool
        self.progress = Progress()
        self.store = PostgresReadStore(pool)
        self.search_store = search_store or self.store
        self.text_search = text_search or PostgresTextSearch(pool)
        self.generation = generation

    async def show(self, events: Iterable[Recorded[Any]]) -> None:
        """Project these events; they follow those shown before."""
        events = list(events)
        for projection in IN_POSTGRES:
            view = self.view(projection)
            changes = [change for event in events for change in projection.project(event)]
            store = self.search_store if projection.store == "search" else self.store
            await store.prepare(view)
            position = events[-1].position if events else 0
            await store.apply(view, changes, position)
            self.progress.advance(view, position)

    def search(self) -> SearchQueries:
        conversations = ConversationQueries(self.pool, self.progress)
        return SearchQueries(self.text_search, conversations, self.progress)

    def view(self, projection: Projection) -> View:
        return View(projection.name, projection.version, self.generation)
