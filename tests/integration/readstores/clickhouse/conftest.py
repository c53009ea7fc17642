"""Both ways to a ClickHouse: in this process, and over HTTP; whatever is asked here is asked of both."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uuid_utils

from aigestion.readstores.clickhouse.chdb import EmbeddedClickHouse
from aigestion.readstores.clickhouse.engine import Engine
from aigestion.readstores.clickhouse.http import ClickHouseServer
from aigestion.readstores.clickhouse.tables import Layout
from tests.support.clickhouse_process import ClickHouseProcess


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[EmbeddedClickHouse]:
    async with EmbeddedClickHouse.open(tmp_path / "clickhouse") as engine:
        yield engine


@pytest.fixture
async def server(clickhouse_server: ClickHouseProcess) -> AsyncIterator[ClickHouseServer]:
    async with ClickHouseServer.connect(clickhouse_server.url) as engine:
        yield engine


@pytest.fixture(params=["embedded", "server"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.getfixturevalue(request.param)


@pytest.fixture
def layout() -> Layout:
    """A namespace nobody else uses."""
    return Layout(namespace=f"t_{uuid_utils.uuid4().hex}")
