"""A network that forgets connections and tells nobody: whoever waits on one finds out by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import nats.errors
import pytest

from aigestion.bootstrap import broker, log
from aigestion.bootstrap.broker import connected_nats
from aigestion.bootstrap.log import opened_log
from aigestion.bootstrap.vitals import Vitals
from aigestion.events.catalog import Catalog
from aigestion.eventstore import announce, append_connection, pool
from aigestion.kernel.errors import Unavailable
from aigestion.messaging.postgres_locks import PostgresLocks
from aigestion.observability.metrics import registry_of
from tests.support.log import migrated, new_event
from tests.support.network import network_to
from tests.support.tasks import eventually, running

_PROBED = "SELECT current_setting('tcp_keepalives_idle')"


async def test_a_client_of_the_broker_comes_back(
    nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "PING_SECONDS", 0.1)
    async with network_to(nats_url) as (wire, url), connected_nats(url, "app") as client:
        wire.forget()

        async def answers() -> bool:
            try:
                await client.flush(1)
            except (nats.errors.Error, TimeoutError):
                return False
            return True

        await eventually(answers)


async def test_who_listens_for_news_of_the_log_hears_them_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announce, "HEARTBEAT_SECONDS", 0.1)
    heads: list[int] = []
    speaker = await asyncpg.connect(database_url)
    async with (
        network_to(database_url) as (wire, url),
        running(announce.hear(url, heads.append)),
    ):

        async def heard() -> bool:
            await speaker.execute(f"NOTIFY {announce.CHANNEL}, '7'")
            return bool(heads)

        await eventually(heard)
        wire.forget()
        heads.clear()
        await eventually(heard)
    await speaker.close()


async def test_a_connection_that_was_forgotten_while_a_process_started_is_told(
    database_url: str, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What watches the engines connects last: then its own connection is well, and the others are not."""
    for module in (pool, append_connection):
        monkeypatch.setattr(module, "QUIET_SECONDS_MAX", 0.0)
        monkeypatch.setattr(module, "PROBE_SECONDS_MAX", 0.3)
    async with (
        network_to(await migrated(database_url)) as (wire, url),
        opened_log(url, tmp_path / "key", 1, catalog=Catalog()) as log,
        connected_nats(nats_url, "app") as client,
    ):
        await log.store.append([new_event()])
        await log.store.head()
        wire.forget()
        vitals = Vitals(url, client, log.losses)
        told = registry_of(vitals.metrics()).get_sample_value
        await vitals.head()
        assert told("engine_reconnects_total", {"engine": "postgres"}) == 0

        with pytest.raises(Unavailable):
            await log.store.head()
        assert told("engine_reconnects_total", {"engine": "postgres"}) == 1
        await log.store.append([new_event()])
        assert told("engine_reconnects_total", {"engine": "postgres"}) == 2
        await vitals._log_pulse.close()


async def test_a_start_that_nobody_answers_ends_soon(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever supervises it tries again. It took twenty seconds, and nothing told of them."""
    url = await migrated(database_url)
    monkeypatch.setattr(log, "CONNECT_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(pool, "CLOSE_SECONDS_MAX", 0.3)
    now = asyncio.get_running_loop().time
    async with network_to(url) as (wire, url):

        @asynccontextmanager
        async def forgotten(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            async with pool.opened_pool(*args, **kwargs) as opened:
                wire.forget()
                yield opened

        monkeypatch.setattr(log, "opened_pool", forgotten)
        began = now()
        with pytest.raises(TimeoutError):
            async with opened_log(url, tmp_path / "key", 1, catalog=Catalog()):
                pass

    assert now() - began < 3.0


async def test_the_database_finds_out_that_a_process_is_gone(
    database_url: str, tmp_path: Path
) -> None:
    """What it holds, a row's lock or an advisory one, is free after ten seconds and not two hours."""
    url = await migrated(database_url)
    async with opened_log(url, tmp_path / "key", 1, catalog=Catalog()) as log:
        assert await log.pool.fetchval(_PROBED) == "4"
    locks = PostgresLocks(url, "probed")
    async with locks.hold("run/1"):
        assert locks._connection is not None
        assert await locks._connection.fetchval(_PROBED) == "4"
    await locks.close()
