"""The engine: beside the event loop, one process a directory, nothing lost by kill -9."""

import asyncio
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from aigestion.kernel.errors import Unavailable
from aigestion.projections.activity import activity
from aigestion.readstores.clickhouse.engine import READERS, ClickHouse, NoSuchTable
from aigestion.readstores.clickhouse.store import ClickHouseReadStore
from aigestion.readstores.port import View
from tests.support.processes import kill_9

VIEW = View(activity.name, activity.version, 1)
ROOT = Path(__file__).parents[4]
SLOW = "SELECT count() FROM numbers(40) WHERE sleepEachRow(0.02) = 0 SETTINGS max_block_size = 1"


async def test_the_event_loop_goes_on_while_the_engine_works(engine: ClickHouse) -> None:
    working = asyncio.create_task(engine.query(SLOW))
    longest = 0.0
    while not working.done():
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        longest = max(longest, time.perf_counter() - before)

    assert await working
    assert longest < 0.2


def one_row(client: Any) -> None:
    client.insert("t", [[1]], column_names=["n"])


async def test_a_long_query_keeps_no_insert_waiting(engine: ClickHouse) -> None:
    await engine.write(lambda c: c.command("CREATE TABLE t (n Int64) ENGINE MergeTree ORDER BY n"))
    await engine.write(one_row)  # the first one warms the engine up
    working = [asyncio.create_task(engine.query(SLOW)) for _ in range(READERS)]
    await asyncio.sleep(0.05)

    await engine.write(one_row)

    assert not any(task.done() for task in working)
    await asyncio.gather(*working)


async def test_more_questions_than_readers_wait_for_each_other(engine: ClickHouse) -> None:
    answers = await asyncio.gather(*(engine.query("SELECT {n:Int64}", {"n": n}) for n in range(20)))

    assert [int(answer[0][0]) for answer in answers] == list(range(20))


async def test_a_missing_table_is_told_from_other_faults(engine: ClickHouse) -> None:
    for statement in ("SELECT * FROM absent.t", "SELECT * FROM default.absent"):
        with pytest.raises(NoSuchTable):
            await engine.query(statement)
    with pytest.raises(Exception, match="nonsense"):
        await engine.query("SELECT nonsense")


async def test_inserts_are_never_left_to_a_background_queue(engine: ClickHouse) -> None:
    ((setting,),) = await engine.read(
        lambda c: c.query("SELECT getSetting('async_insert')").result_rows
    )

    assert not setting


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
