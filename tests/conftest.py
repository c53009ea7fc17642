"""Fixtures every level of tests may use: real engines, started once a session and only when asked for."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import uuid_utils

from tests.support.clickhouse_process import ClickHouseProcess
from tests.support.engines import nats_server, postgres_server
from tests.support.program import Program
from tests.support.valkey import StoppableValkey, valkey_server

LEFT_TO_THE_NIGHT = "NOT TESTED: takes minutes; `make prove` runs it every night (-m nightly)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes minutes is skipped unless it is asked for, and says so."""
    if "nightly" in config.getoption("markexpr"):
        return
    for item in items:
        if item.get_closest_marker("nightly"):
            item.add_marker(pytest.mark.skip(reason=LEFT_TO_THE_NIGHT))


@pytest.fixture(scope="session")
def postgres_admin_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
async def database_url(postgres_admin_url: str) -> AsyncIterator[str]:
    """The superuser's DSN of a fresh, empty database."""
    name = f"t_{uuid_utils.uuid4().hex}"
    admin = await asyncpg.connect(postgres_admin_url)
    await admin.execute(f'CREATE DATABASE "{name}"')
    yield postgres_admin_url.rsplit("/", 1)[0] + f"/{name}"
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


@pytest.fixture
def nats_url() -> Iterator[str]:
    """A broker of its own: streams have fixed names."""
    with nats_server() as url:
        yield url


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    """A server that tests share: each keeps to a namespace of its own."""
    with ClickHouseProcess(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for all tests: each takes names of its own."""
    with valkey_server(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[StoppableValkey]:
    """A server that a test may stop and start."""
    with valkey_server(tmp_path / "valkey") as server:
        yield server


@pytest.fixture
def own_program(tmp_path: Path) -> Iterator[Program]:
    """The whole program on a data dir of its own, not started yet; nothing is left running."""
    with Program(tmp_path / "data") as program:
        yield program
