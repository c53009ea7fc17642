"""Both engines: beside the event loop, clear about faults; what is acknowledged is kept."""

import asyncio
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aigestion.kernel.errors import ChangeRejected, Unavailable
from aigestion.projections.activity import activity
from aigestion.readstores.clickhouse.chdb import READERS, EmbeddedClickHouse
from aigestion.readstores.clickhouse.engine import SETTINGS, Engine, NoSuchTable
from aigestion.readstores.clickhouse.store import ClickHouseReadStore
from aigestion.readstores.clickhouse.tables import Layout
from aigestion.readstores.port import View
from tests.support.processes import kill_9

VIEW = View(activity.name, activity.version, 1)
ROOT = Path(__file__).parents[4]
SLOW = "SELECT count() FROM numbers(40) WHERE sleepEachRow(0.02) = 0 SETTINGS max_block_size = 1"
SLOWER = SLOW.replace("40", "250")


@pytest.fixture
async def database(engine: Engine, layout: Layout) -> str:
    """With a table `t` of numbers `n` in it."""
    name = str(layout.namespace)
    await engine.run(f"CREATE DATABASE {name}")
    await engine.run(f"CREATE TABLE {name}.t (n Int64) ENGINE MergeTree ORDER BY n")
    return name


async def insert(engine: Engine, database: str, *numbers: Any) -> None:
    lines = msgspec.json.Encoder().encode_lines([[number] for number in numbers])
    await engine.insert(database, "t", {"n": "Int64"}, lines)


async def test_the_event_loop_goes_on_while_the_engine_works(engine: Engine) -> None:
    working = asyncio.create_task(engine.query(SLOW))
    longest, begun = 0.0, time.perf_counter()
    while not working.done():
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        longest = max(longest, time.perf_counter() - before)

    assert await working
    assert longest < (time.perf_counter() - begun) / 2


async def test_sparing_memory_nothing_is_merged_while_blocks_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JE_MALLOC_CONF", "")  # or what is started after this test would have it
    merging = "OPTIMIZE TABLE d.t FINAL"
    async with EmbeddedClickHouse.open(tmp_path, sparing=True) as engine:
        await engine.run("CREATE DATABASE d")
        await engine.run("CREATE TABLE d.t (n Int64) ENGINE MergeTree ORDER BY n")
        for number in range(3):
            await insert(engine, "d", number)
        async with aclosing(engine.blocks("SELECT n FROM d.t")) as blocks:
            assert await anext(blocks)
            with pytest.raises(Unavailable, match="ABORTED"):
                await engine.run(merging)
        await engine.run(merging)


async def test_a_long_query_keeps_no_insert_waiting(engine: Engine, database: str) -> None:
    await insert(engine, database, 1)  # the first one warms the engine up
    working = [asyncio.create_task(engine.query(SLOWER)) for _ in range(READERS)]
    await asyncio.sleep(0.05)

    await insert(engine, database, 1)

    assert not any(task.done() for task in working)
    await asyncio.gather(*working)


async def test_more_questions_than_readers_wait_for_each_other(engine: Engine) -> None:
    answers = await asyncio.gather(*(engine.query("SELECT {n:Int64}", {"n": n}) for n in range(40)))

    assert [int(answer[0][0]) for answer in answers] == list(range(40))


async def test_a_long_answer_comes_in_blocks_and_may_be_given_up(engine: Engine) -> None:
    blocks = engine.blocks("SELECT number FROM numbers(100000)")
    first = await anext(blocks)
    await blocks.aclose()

    rows = [
        row async for block in engine.blocks("SELECT number FROM numbers(100000)") for row in block
    ]

    assert 0 < len(first) < 100_000
    assert [number for (number,) in rows] == list(range(100_000))


async def test_parameters_of_any_length_arrive(engine: Engine) -> None:
    keys = [f"ñandú '\\\n{n}" for n in range(1_000)]

    ((found,),) = await engine.query("SELECT {keys:Array(String)}", {"keys": keys})

    assert list(found) == keys


async def test_a_missing_table_is_told_from_other_faults(engine: Engine) -> None:
    for statement in ("SELECT * FROM absent.t", "SELECT * FROM default.absent"):
        with pytest.raises(NoSuchTable):
            await engine.query(statement)
        with pytest.raises(NoSuchTable):
            [block async for block in engine.blocks(statement)]
    with pytest.raises(Exception, match="nonsense"):
        await engine.query("SELECT nonsense")


async def test_rows_are_inserted_whatever_the_folder_of_temporary_files_is_called(
    engine: Engine, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "it's {a,b}* 100%"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    await insert(engine, database, 7, 8)

    assert await engine.query(f"SELECT n FROM {database}.t ORDER BY n") == [(7,), (8,)]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("value", ["one", datetime(2026, 5, 1), [1]], ids=str)
async def test_a_value_of_another_type_is_rejected_and_no_row_is_written(
    engine: Engine, database: str, value: Any
) -> None:
    with pytest.raises(ChangeRejected) as rejected:
        await insert(engine, database, 1, value, 3)

    assert str(value) not in str(rejected.value)
    assert await engine.query(f"SELECT count() FROM {database}.t") == [(0,)]


@pytest.mark.parametrize(
    ("limit", "statement"),
    [
        (
            "time",
            "SELECT count() FROM numbers(9) WHERE sleepEachRow(1) = 0 SETTINGS max_execution_time = 1",
        ),
        (
            "memory",
            "SELECT groupArray(number) FROM numbers(100000000) SETTINGS max_memory_usage = 10000000",
        ),
    ],
)
async def test_a_query_that_takes_too_much_is_refused_for_now(
    engine: Engine, limit: str, statement: str
) -> None:
    with pytest.raises(Unavailable) as refused:
        await engine.query(statement)

    assert refused.value.details == {"engine": "clickhouse"}


@pytest.mark.parametrize("name", SETTINGS)
async def test_every_limit_is_in_force(engine: Engine, name: str) -> None:
    ((setting,),) = await engine.query(f"SELECT toUInt64(getSetting('{name}'))")

    assert setting == SETTINGS[name]


async def test_inserts_are_never_left_to_a_background_queue(engine: Engine) -> None:
    ((setting,),) = await engine.query("SELECT getSetting('async_insert')")

    assert not setting


async def test_an_insert_whose_caller_gave_up_is_finished_when_that_shows(
    engine: Engine, database: str
) -> None:
    inserting = asyncio.create_task(insert(engine, database, *range(300_000)))
    await asyncio.sleep(0.01)
    inserting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await inserting

    assert await engine.query(f"SELECT count() FROM {database}.t") == [(300_000,)]


def run_python(script: str, directory: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), directory],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


async def test_a_second_process_is_turned_away(tmp_path: Path) -> None:
    holder = run_python(
        """
        import asyncio, sys
        from pathlib import Path
        from aigestion.readstores.clickhouse.store import ClickHouseReadStore

        async def main():
            async with ClickHouseReadStore.open(Path(sys.argv[1])):
                print("open", flush=True)
                await asyncio.sleep(60)

        asyncio.run(main())
        """,
        tmp_path / "held",
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"

    with pytest.raises(Unavailable, match="cannot be opened"):
        async with ClickHouseReadStore.open(tmp_path / "held"):
            pass

    kill_9(holder.pid)
    holder.wait()


async def test_kill_9_in_the_middle_of_applying_loses_nothing(tmp_path: Path) -> None:
    writer = run_python(
        """
        import asyncio, sys
        from pathlib import Path
        from aigestion.projections.activity import activity
        from aigestion.readstores.clickhouse.store import ClickHouseReadStore
        from aigestion.readstores.port import View
        from tests.support.history import History, chat

        VIEW = View(activity.name, activity.version, 1)

        async def main():
            history = History()
            async with ClickHouseReadStore.open(Path(sys.argv[1])) as store:
                await store.prepare(VIEW)
                while True:
                    events = [history.happened(chat("hello")) for _ in range(50)]
                    puts = [put for event in events for put in activity.project(event)]
                    await store.apply(VIEW, puts, history.head)
                    print(history.head, flush=True)

        asyncio.run(main())
        """,
        tmp_path / "killed",
    )
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(6)][-1]
    await asyncio.sleep(0.007)
    kill_9(writer.pid)
    writer.wait()

    async with ClickHouseReadStore.open(tmp_path / "killed") as store:
        checkpoint = await store.checkpoint(VIEW)
        positions = sorted([row.fields["position"] async for row in store.rows(VIEW)])

    assert checkpoint is not None
    assert checkpoint >= acknowledged
    assert positions[:checkpoint] == list(range(1, checkpoint + 1))
