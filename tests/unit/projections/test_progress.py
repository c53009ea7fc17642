"""Queries wait for what they must see, and are told when that takes too long."""

import asyncio
from datetime import UTC, datetime

import pytest

from aigestion.kernel.errors import (
    LogEpochMismatch,
    QuarantineFull,
    Unavailable,
    UnknownEvent,
    ViewBehind,
)
from aigestion.observability.lag import HeadWatch
from aigestion.observability.metrics import projection_metrics, registry_of
from aigestion.projections.progress import RETRY_AFTER_SECONDS, Progress
from aigestion.readstores.parked import ParkedKey
from aigestion.readstores.port import View

OLD, NEW = View("runs", 1, 1), View("runs", 1, 2)


async def test_a_view_that_is_far_enough_answers_at_once() -> None:
    progress = Progress(["runs"])
    progress.advance(OLD, 7)

    assert await progress.at_least("runs", 7, timeout_seconds=0) == (OLD, 7)
    assert await progress.at_least("runs") == (OLD, 7)


async def test_a_query_waits_for_the_position_it_needs() -> None:
    progress = Progress(["runs"])
    progress.advance(OLD, 7)
    waiting = asyncio.create_task(progress.at_least("runs", 9, timeout_seconds=5))

    await asyncio.sleep(0)
    progress.advance(OLD, 8)
    await asyncio.sleep(0)
    assert not waiting.done()
    progress.advance(OLD, 10)

    assert await waiting == (OLD, 10)


async def test_a_view_that_stays_behind_says_how_far_it_is() -> None:
    progress = Progress(["runs"])
    progress.advance(OLD, 7)

    with pytest.raises(ViewBehind) as behind:
        await progress.at_least("runs", 9, timeout_seconds=0.01)

    assert behind.value.details == {
        "projection": "runs",
        "position": 7,
        "min_position": 9,
        "retry_after_seconds": RETRY_AFTER_SECONDS,
    }
    assert progress._waiting == {"runs": {}}


async def test_a_read_model_that_is_not_built_is_unavailable() -> None:
    progress = Progress(["runs"])
    progress.building("runs", 500)

    with pytest.raises(Unavailable):
        await progress.at_least("runs", 1, timeout_seconds=0.01)

    [line] = progress.status()
    assert (line.state, line.position, line.view) == ("building", 500, None)


async def test_a_query_of_a_model_that_gets_built_meanwhile_is_answered() -> None:
    progress = Progress(["runs"])
    waiting = asyncio.create_task(progress.at_least("runs", 2, timeout_seconds=5))
    await asyncio.sleep(0)

    progress.advance(OLD, 3)

    assert await waiting == (OLD, 3)


async def test_a_switch_serves_the_new_view() -> None:
    progress = Progress(["runs"])
    progress.advance(OLD, 7)

    progress.building("runs", 3)
    assert await progress.at_least("runs") == (OLD, 7)
    progress.advance(NEW, 8)

    assert await progress.at_least("runs") == (NEW, 8)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (UnknownEvent("what is this", position=8), "stopped"),
        (LogEpochMismatch("the log was restored", position=8), "stopped"),
        (QuarantineFull("too much of it", position=8), "stopped"),
        (Unavailable("away", engine="postgres", position=8), "retrying"),
        (ValueError("whatever"), "retrying"),
    ],
)
async def test_trouble_is_told_and_over_once_the_line_moves(error: Exception, state: str) -> None:
    progress = Progress(["runs"])
    progress.advance(OLD, 7)

    progress.trouble("runs", error)

    [line] = progress.status()
    assert (line.state, line.error, line.position) == (state, str(error), 7)
    assert line.error_position == (None if isinstance(error, ValueError) else 8)
    assert await progress.at_least("runs", 7) == (OLD, 7)
    progress.advance(OLD, 8)
    [line] = progress.status()
    assert (line.state, line.error, line.error_position) == ("running", None, None)


def waits(key: str, position: int, events: int = 1) -> ParkedKey:
    return ParkedKey(
        key=key,
        tenant=key.partition("/")[0],
        events=events,
        position=position,
        type="user.chat",
        error="broken",
        since=datetime(2026, 5, 1, tzinfo=UTC),
    )


async def test_what_is_parked_comes_with_the_position_it_belongs_to() -> None:
    progress = Progress(["runs"])
    harbour, island = waits("demo/run:a", 5, events=3), waits("acme/run:b", 6)

    progress.advance(OLD, 7, {harbour.key: harbour, island.key: island})

    [line] = progress.status()
    assert (line.state, line.parked_events, list(line.parked)) == (
        "running",
        4,
        ["demo/run:a", "acme/run:b"],
    )
    progress.advance(OLD, 8)
    [line] = progress.status()
    assert (line.parked_events, dict(line.parked)) == (0, {})


async def test_answers_are_stale_for_the_keys_and_the_tenants_that_have_something_parked() -> None:
    progress = Progress(["runs"])
    assert not progress.stale("runs", "demo")
    harbour = waits("demo/run:a", 5)

    progress.advance(OLD, 7, {harbour.key: harbour})

    assert progress.stale("runs", "demo")
    assert progress.stale("runs", "demo", "demo/run:a")
    assert not progress.stale("runs", "demo", "demo/run:b")
    assert not progress.stale("runs", "acme")
    assert not progress.stale("conversations", "demo")


async def test_metrics_tell_how_much_is_parked() -> None:
    progress = Progress(["directory", "runs"])
    progress.advance(OLD, 7, {key: waits(key, 5, events=2) for key in ("demo/run:a", "demo/run:b")})
    registry = registry_of(projection_metrics(progress, HeadWatch(7)))

    def of(name: str, projection: str) -> float | None:
        return registry.get_sample_value(name, {"projection": projection})

    assert (of("projection_parked_events", "runs"), of("projection_parked_keys", "runs")) == (4, 2)
    assert of("projection_parked_events", "directory") == 0
    assert of("projection_position", "runs") == 7
    assert of("projection_rebuilds_total", "runs") == 0
    progress.rebuilding("runs")
    assert of("projection_rebuilds_total", "runs") == 1
