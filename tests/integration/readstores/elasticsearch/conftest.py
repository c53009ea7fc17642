"""A store on a real server of each version, with a small projection of its own."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aigestion.readstores.elasticsearch.store import ElasticsearchReadStore
from tests.integration.readstores.elasticsearch.books import MAPPING
from tests.support.elasticsearch import NEWEST_AND_AT_NIGHT_OLDER, elasticsearch_store


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    (tmp_path / "shelf.json").write_text(json.dumps({"books": MAPPING}))
    return tmp_path


@pytest.fixture(params=NEWEST_AND_AT_NIGHT_OLDER)
def version(request: Any) -> str:
    return str(request.param)


@pytest.fixture
async def store(version: str, mappings: Path) -> AsyncIterator[ElasticsearchReadStore]:
    async with elasticsearch_store(version, mappings) as store:
        yield store
