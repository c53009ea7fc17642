"""The pulse of the log: what it says of a server that is there, slow, gone, or at another time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from aigestion.eventstore import pulse
from aigestion.eventstore.pulse import LogPulse
from aigestion.kernel.clock import utc_now
from aigestion.kernel.errors import Unavailable
from tests.support.event_log import EventLog
from tests.support.log import migrated, postgres_event_store
from tests.support.network import network_to
from tests.support.tasks import WAIT_SECONDS_MAX


@asynccontextmanager
async def of(url: str) -> AsyncIterator[LogPulse]:
    one = LogPulse(url, clock=lambda: utc_now() + timedelta(seconds=90))
    try:
        yield one
    finally:
        await one.close()


async def test_it_knows_the_head_and_how_far_its_clock_is_off(database_url: str) -> None:
    url = await migrated(database_url)
    async with postgres_event_store(url) as store, of(url) as asked:
        await EventLog(store).record_chats(5)

        seconds = await asked.ask()

        assert asked.head == 5
        assert 0 < seconds < WAIT_SECONDS_MAX
        assert asked.clock_offset_seconds == pytest.approx(90, abs=10)
        assert asked.reconnects == 0


async def test_a_lost_connection_is_counted_and_another_one_made(database_url: str) -> None:
    url = await migrated(database_url)
    async with of(url) as asked:
        await asked.ask()
        owner = await asyncpg.connect(database_url)
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'aigestion pulse'"
        )
        await owner.close()

        for _ in range(2):  # whether it has noticed by the first time is the network's business
            try:
                await asked.ask()
            except Unavailable:
                continue

        assert asked.reconnects == 1


async def test_a_narrow_line_takes_long(database_url: str) -> None:
    async with network_to(await migrated(database_url)) as (wire, url), of(url) as asked:
        await asked.ask()
        wire.bytes_per_second = 64 * 1024

        assert await asked.ask() > 0.1


async def test_a_server_that_falls_silent_is_unavailable(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "ANSWER_SECONDS_MAX", 0.3)
    async with network_to(await migrated(database_url)) as (wire, url), of(url) as asked:
        await asked.ask()
        wire.replies.clear()

        with pytest.raises(Unavailable):
            await asked.ask()

        wire.mend()
        await asked.ask()
        assert asked.reconnects == 1
