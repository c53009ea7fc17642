"""Quarantine over real engines: PostgreSQL rejects a row, ClickHouse does, and everything is put right again."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from aigestion.events.recorded import Recorded
from aigestion.projections import runner as patience
from aigestion.projections.activity import activity
from aigestion.projections.conversations import conversations
from aigestion.projections.projection import Projection
from aigestion.readstores.clickhouse.store import ClickHouseReadStore
from aigestion.readstores.port import Change, Put, ReadStore
from aigestion.readstores.postgres.quarantine import PostgresQuarantine
from aigestion.readstores.postgres.store import PostgresReadStore
from tests.support.history import chat, id_of, started
from tests.support.log import migrated
from tests.support.read_models import Rig
from tests.support.tasks import eventually
from tests.unit.projections.test_quarantine import again, parked, serving_from_nothing, texts

HARBOUR = f"demo/conversation:{id_of('harbour')}"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "BACKOFF_MAX_SECONDS", patience.BACKOFF_MIN_SECONDS)
    monkeypatch.setattr(patience, "ATTEMPTS_MAX", 2)
    monkeypatch.setattr(patience, "REDRIVE_POLL_SECONDS", 0.1)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(await migrated(database_url), min_size=1, max_size=4) as pool:
        yield pool


class Spoilt:
    """A read model that puts something into `field` which no engine takes, for some texts."""

    def __init__(self, projection: Projection, field: str, *texts: str) -> None:
        self.texts = set(texts)
        self.projection = replace(projection, project=self._project)
        self._project_well = projection.project
        self._field = field

    def _project(self, recorded: Recorded[Any]) -> Sequence[Change]:
        changes = self._project_well(recorded)
        if getattr(recorded.data, "text", None) not in self.texts:
            return changes
        return [
            Put(one.collection, one.key, {**one.fields, self._field: "not a number"})
            for one in changes
            if isinstance(one, Put)
        ]


def a_rig(spoilt: Spoilt, store: ReadStore, pool: asyncpg.Pool) -> Rig:
    return Rig(store=store, projection=spoilt.projection, quarantine=PostgresQuarantine(pool))


async def test_postgres_rejects_one_of_five_hundred_and_a_redrive_puts_it_right(
    pool: asyncpg.Pool,
) -> None:
    spoilt = Spoilt(conversations, "position", "message 321")
    rig = a_rig(spoilt, PostgresReadStore(pool), pool)
    view = await serving_from_nothing(rig)
    await rig.log.record(*(started(f"conversation {n}") for n in range(100)))
    await rig.log.record(*(chat(f"message {n}", f"conversation {n % 100}") for n in range(400)))

    async with rig.running():
        await rig.caught_up()

        assert await parked(rig, view) == [422]
        assert len(await texts(rig, view)) == 399
        verdict = await rig.model.verify()
        assert (verdict.differing_rows, verdict.parked, verdict.equal) == (0, 1, False)
        [waiting] = await rig.model.parked()
        assert str(waiting.error).startswith(f"{view.name} does not take a row:")

        await rig.log.record(chat("later", "conversation 21"))
        await rig.caught_up()
        assert await parked(rig, view) == [422, 501]

        failed = await rig.model.redrive()
        assert (failed.position, failed.parked) == (0, 2)
        spoilt.texts.clear()
        assert (await rig.model.redrive()).parked == 0
        assert (await rig.model.verify()).equal

    assert await pool.fetchval("SELECT count(*) FROM views.parked_keys") == 0


async def test_a_restart_reads_what_is_parked_from_postgres(pool: asyncpg.Pool) -> None:
    spoilt = Spoilt(conversations, "position", "poison")
    rig = a_rig(spoilt, PostgresReadStore(pool), pool)
    view = await serving_from_nothing(rig)
    await rig.log.record(started(), chat("poison"), started("island"))
    async with rig.running():
        await rig.caught_up()
    spoilt.texts.clear()

    rig = again(rig)
    rig.quarantine = PostgresQuarantine(pool)
    async with rig.running():
        await rig.log.record(chat("later"), chat("a", "island"))
        await rig.caught_up()
        assert rig.progress.stale("conversations", "demo", HARBOUR)

    assert await texts(rig, view) == {"a"}
    assert await parked(rig, view) == [2, 4]


async def test_clickhouse_rejects_a_fact_and_the_others_go_on(
    pool: asyncpg.Pool, tmp_path: Path
) -> None:
    spoilt = Spoilt(activity, "text_chars", "poison")
    async with ClickHouseReadStore.open(tmp_path / "clickhouse") as store:
        rig = a_rig(spoilt, store, pool)
        view = await serving_from_nothing(rig)
        await rig.log.record(*(chat("poison" if n == 30 else "well") for n in range(60)))

        async with rig.running():
            await rig.caught_up()

            assert await parked(rig, view) == [31]
            assert len(await rig.found(view)) == 59
            [waiting] = await rig.model.parked()
            assert waiting.key.startswith("demo/event:")

            spoilt.texts.clear()
            assert (await rig.model.redrive()).parked == 0
            await eventually(lambda: not rig.progress.stale("activity", "demo"))
            assert (await rig.model.verify()).equal


async def test_what_an_error_quotes_of_a_row_is_not_kept(pool: asyncpg.Pool) -> None:
    """PostgreSQL tells the whole row that breaks a constraint: with what was said in it."""
    rig = Rig(
        store=PostgresReadStore(pool),
        projection=conversations,
        quarantine=PostgresQuarantine(pool),
    )
    view = await serving_from_nothing(rig)
    await pool.execute(
        f"ALTER TABLE {view.name}.messages ADD CONSTRAINT short CHECK (length(text) < 9)"
    )
    await rig.log.record(chat("a secret nobody keeps"))

    async with rig.running():
        await rig.caught_up()

    [waiting] = (await rig.quarantine.keys(view)).values()
    assert "violates check constraint" in str(waiting.error)
    assert "secret" not in str(waiting.error)
