"""A ClickHouse engine in this process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aigestion.readstores.clickhouse.engine import ClickHouse


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ClickHouse]:
    engine = await ClickHouse.connect(interface="chdb", path=str(tmp_path / "clickhouse"))
    yield engine
    await engine.close()
