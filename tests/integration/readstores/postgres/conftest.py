"""A pool of the runtime role on a fresh database."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.support.postgres_views import runtime_pool


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with runtime_pool(database_url) as pool:
        yield pool
