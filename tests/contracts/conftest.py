"""What several contract suites run on."""

from collections.abc import AsyncIterator

import pytest

from aigestion.queries.search_in_elasticsearch import ElasticsearchTextSearch
from tests.support.elasticsearch import NEWEST_AND_AT_NIGHT_OLDER, elasticsearch_store
from tests.support.postgres_views import Views, runtime_pool


@pytest.fixture(params=["postgres", *NEWEST_AND_AT_NIGHT_OLDER])
async def views(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Views]:
    """The read models in PostgreSQL, and the one for search in each engine that may play the part."""
    async with runtime_pool(database_url) as pool:
        if request.param == "postgres":
            yield Views(pool)
            return
        async with elasticsearch_store(request.param) as store:
            yield Views(pool, search_store=store, text_search=ElasticsearchTextSearch(store))
