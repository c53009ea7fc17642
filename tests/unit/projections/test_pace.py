"""Long work leaves its process to queries while there are any, and takes all of it when there are none."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

import aigestion.projections.pace as paces
from aigestion.kernel.errors import Unavailable
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.pace import ALONE, Pace, paced_pages
from aigestion.projections.progress import Progress
from aigestion.queries.runs import RunQueries
from aigestion.readstores.port import Change, View
from tests.support.read_models import Rig


class Noting(MemoryReadStore):
    def __init__(self) -> None:
        super().__init__()
        self.applied: list[int] = []

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        self.applied.append(position)
        await super().apply(view, changes, position)


async def test_a_rest_beside_queries_is_many_times_the_work_before_it() -> None:
    since = time.monotonic() - 0.01

    over = await Pace(asked_at=time.monotonic).rest(since)

    assert over - since >= 0.01 / paces.SHARE_BESIDE_QUERIES


async def test_nobody_rests_for_queries_that_are_not_asked() -> None:
    since = time.monotonic() - 10

    async with asyncio.timeout(5):
        over = await ALONE.rest(since)

    assert over - since < 11


async def test_a_rest_ends_when_queries_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paces, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(paces, "REST_SLEEP_SECONDS_MAX", 0.05)
    asked_at = time.monotonic()

    over = await Pace(lambda: asked_at).rest(asked_at - 10)

    assert 0.2 <= over - asked_at < 2


async def test_others_have_a_turn_in_every_rest() -> None:
    turns: list[str] = []
    asyncio.get_running_loop().call_soon(turns.append, "another")

    await ALONE.rest(time.monotonic())

    assert turns == ["another"]


@pytest.mark.parametrize("upto", [None, 24, 23])
async def test_the_log_is_read_once_in_pages_that_follow_the_pace(
    monkeypatch: pytest.MonkeyPatch, upto: int | None
) -> None:
    monkeypatch.setattr(paces, "PAGE_EVENTS_MAX", 8)
    monkeypatch.setattr(paces, "SHARED_PAGE_EVENTS_MAX", 2)
    monkeypatch.setattr(paces, "SHARE_BESIDE_QUERIES", 1)
    rig = Rig()
    await rig.log.record_chats(24)
    asked_at = [-1000.0]
    seen: list[int] = []
    sizes = []

    async for page in paced_pages(rig.log.reader, 0, None, Pace(lambda: asked_at[0]), upto=upto):
        seen += [event.position for event in page.events]
        sizes.append(len(page.events))
        asked_at[0] = time.monotonic() if 8 <= page.last < 16 else -1000.0

    assert seen == list(range(1, (upto or 24) + 1))
    assert sizes[:6] == [8, 2, 2, 2, 2, 8 if upto != 23 else 7]


async def test_a_rebuild_makes_room_for_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paces, "SHARED_PAGE_EVENTS_MAX", 5)
    monkeypatch.setattr("aigestion.projections.filling.SHARED_BATCH_EVENTS_MAX", 5)
    store = Noting()
    rig = Rig(store=store)
    await rig.log.record_chats(19)
    async with rig.running():
        await rig.caught_up()
        rig.progress.asked_at = -1000.0
        store.applied.clear()
        await rig.model.rebuild()
        assert store.applied == [19]

        await rig.progress.at_least("shelf")
        store.applied.clear()
        await rig.model.rebuild()
        assert store.applied == [5, 10, 15, 19]


async def test_the_first_view_is_built_as_fast_as_it_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paces, "SHARED_PAGE_EVENTS_MAX", 5)
    monkeypatch.setattr("aigestion.projections.filling.SHARED_BATCH_EVENTS_MAX", 5)
    store = Noting()
    rig = Rig(store=store)
    await rig.log.record_chats(19)
    with pytest.raises(Unavailable):
        await rig.progress.at_least("shelf", timeout_seconds=0)

    await rig.model.rebuild()

    assert store.applied == [19]


async def test_the_sweep_for_unfinished_runs_is_no_query_to_make_room_for() -> None:
    progress = Progress(["runs"])
    queries = RunQueries(None, progress)  # type: ignore[arg-type]
    before = progress.asked_at

    with pytest.raises(Unavailable, match="runs is not built yet"):
        await queries.unfinished(["helper"], idle_before=datetime.now(UTC), limit=1)

    assert progress.asked_at == before
