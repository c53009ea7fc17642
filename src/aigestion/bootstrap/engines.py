"""The embedded engines of a data dir, started together, the log's schema brought up to date."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.elasticsearch import EmbeddedElasticsearch
from aigestion.embedded.nats import EmbeddedNats
from aigestion.embedded.postgres import RUNTIME_ROLE, EmbeddedPostgres
from aigestion.eventstore.migrate import migrate
from aigestion.settings import Settings
from aigestion.settings_groups import EngineUrl


@dataclass(frozen=True)
class Engines:
    """The servers of one data dir, running."""

    postgres: EmbeddedPostgres
    nats: EmbeddedNats
    elasticsearch: EmbeddedElasticsearch | None
    """None where PostgreSQL searches."""

    def on(self, settings: Settings) -> Settings:
        """The settings, with the servers that run here."""
        if self.elasticsearch is None:
            return settings
        return settings.model_copy(update={"elasticsearch_url": EngineUrl(self.elasticsearch.url)})


@asynccontextmanager
async def embedded_engines(data_dir: DataDir) -> AsyncIterator[Engines]:
    """Run the servers of a locked data dir inside the block."""
    postgres, nats = EmbeddedPostgres(data_dir), EmbeddedNats(data_dir)
    elasticsearch = EmbeddedElasticsearch(data_dir) if data_dir.search == "elasticsearch" else None
    searching = [elasticsearch.start()] if elasticsearch else []
    try:
        await _all(nats.start(), _start_log(postgres), *searching)
        yield Engines(postgres, nats, elasticsearch)
    finally:
        if elasticsearch:
            await elasticsearch.stop()
        await nats.stop()
        await postgres.stop()


async def _all(*starting: Coroutine[Any, Any, None]) -> None:
    """Wait for all; if one fails, that is the error, and the others are cancelled."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for one in starting:
                tasks.create_task(one)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def _start_log(postgres: EmbeddedPostgres) -> None:
    await postgres.start()
    await migrate(postgres.owner_url, RUNTIME_ROLE, postgres.runtime_password)
