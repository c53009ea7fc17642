"""Views of a fresh database, to be filled and asked."""

from collections.abc import AsyncIterator

import pytest

from tests.support.postgres_views import Views, runtime_pool


@pytest.fixture
async def views(database_url: str) -> AsyncIterator[Views]:
    async with runtime_pool(database_url) as pool:
        yield Views(pool)
