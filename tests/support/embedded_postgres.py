"""A PostgreSQL of one test's own, to be killed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.postgres import EmbeddedPostgres
from aigestion.embedded.supervised import State


@asynccontextmanager
async def running(data_dir: DataDir) -> AsyncIterator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(data_dir, initdb_options=("--no-sync",))
    await postgres.start()
    try:
        yield postgres
    finally:
        await postgres.stop()


def pid_of(postgres: EmbeddedPostgres) -> int:
    status = postgres.status()
    assert status is not None
    assert status.pid is not None
    return status.pid


def is_back(postgres: EmbeddedPostgres, restarts: int) -> bool:
    status = postgres.status()
    assert status is not None
    return status.restarts == restarts and status.state == State.READY
