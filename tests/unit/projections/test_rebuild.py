"""A read model is built, rebuilt beside itself, and replaced without anybody noticing."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

import aigestion.projections.filling as limits
import aigestion.projections.keeping as polls
import aigestion.projections.pace as paces
from aigestion.events.recorded import Recorded
from aigestion.kernel.errors import (
    Corrupt,
    LogEpochMismatch,
    Refused,
    Unavailable,
)
from aigestion.projections.conversations import conversations
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.pace import ALONE, Pace
from aigestion.projections.rebuild import rebuild
from aigestion.readstores.port import Change, Put, Row, View
from tests.support.event_log import EventLog
from tests.support.history import chat, document, started
from tests.support.poison import PickyStore
from tests.support.read_models import SHELF, Rig
from tests.support.tasks import eventually, running

BESIDE_QUERIES = Pace(asked_at=time.monotonic)


class SlowStore(MemoryReadStore):
    """Lets a test stand between two batches."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        if view.generation > 1:
            await self.gate.wait()
            await asyncio.sleep(0.01)
        await super().apply(view, changes, position)


class DyingStore(MemoryReadStore):
    """Dies once, when it is to reach a position."""

    def __init__(self, dies_at: int) -> None:
        super().__init__()
        self.dies_at = dies_at
        self.applied: list[int] = []

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        if position == self.dies_at:
            self.dies_at = -1
            raise Unavailable("the plug was pulled", engine="memory")
        self.applied.append(position)
        await super().apply(view, changes, position)


async def test_a_view_serves_when_it_has_the_whole_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paces, "PAGE_EVENTS_MAX", 7)
    monkeypatch.setattr(limits, "FILL_CHANGES_MAX", 3)
    rig = Rig()
    await rig.log.record_chats(30)

    built = await rebuild(SHELF, rig.store, rig.registry, rig.log.reader, rig.quarantine)

    assert built.position == await rig.store.checkpoint(built.view) == 30
    assert await rig.found(built.view) == await rig.expected()
    assert await rig.registry.active("shelf") == built.view


async def test_a_batch_is_many_pages_long_where_few_events_have_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paces, "PAGE_EVENTS_MAX", 4)
    monkeypatch.setattr(limits, "BATCH_EVENTS_MAX", 12)
    monkeypatch.setattr(limits, "FILL_CHANGES_MAX", 6)
    store = DyingStore(dies_at=-1)
    rig = Rig(store=store)
    await rig.log.record(*(started(f"conversation {n}") for n in range(14)))
    await rig.log.record_chats(6)

    built = await rebuild(SHELF, rig.store, rig.registry, rig.log.reader, rig.quarantine)

    assert store.applied[:4] == [12, 17, 20, 20], "12 without a change; then 2 changes an event"
    assert await rig.found(built.view) == await rig.expected()


@pytest.mark.parametrize("pace", [ALONE, BESIDE_QUERIES])
async def test_only_what_completes_a_view_need_be_visible(
    monkeypatch: pytest.MonkeyPatch, pace: Pace
) -> None:
    class Watched(MemoryReadStore):
        async def apply(
            self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
        ) -> None:
            seen.append((position, visible))
            await super().apply(view, changes, position)

    monkeypatch.setattr(paces, "PAGE_EVENTS_MAX", 10)
    monkeypatch.setattr(paces, "SHARED_PAGE_EVENTS_MAX", 10)
    monkeypatch.setattr(limits, "SHARED_BATCH_EVENTS_MAX", 10)
    monkeypatch.setattr(limits, "BATCH_EVENTS_MAX", 10)
    seen: list[tuple[int, bool]] = []
    rig = Rig(store=Watched())
    await rig.log.record_chats(25)

    await rebuild(SHELF, rig.store, rig.registry, rig.log.reader, rig.quarantine, pace=pace)

    assert seen == [(10, False), (20, False), (25, True)]


async def test_an_event_that_cannot_be_projected_is_parked_in_the_new_view_too() -> None:
    def fails(event: Recorded[Any]) -> Sequence[Change]:
        if event.position == 4:
            raise ValueError("no such thing")
        return SHELF.project(event)

    rig = Rig(projection=replace(SHELF, project=fails))
    await rig.log.record_chats(9)

    built = await rig.model.rebuild()

    assert built.parked == 6, "the event, and what waits behind it"
    (key,) = (await rig.quarantine.keys(built.view)).values()
    assert (key.position, key.events) == (4, 6)
    assert await rig.store.checkpoint(built.view) == 9


@pytest.mark.parametrize("pace", [ALONE, BESIDE_QUERIES])
async def test_a_change_that_is_not_taken_is_parked_in_the_new_view_and_all_else_is_in_it(
    monkeypatch: pytest.MonkeyPatch, pace: Pace
) -> None:
    monkeypatch.setattr(paces, "PAGE_EVENTS_MAX", 5)
    monkeypatch.setattr(paces, "SHARED_PAGE_EVENTS_MAX", 5)
    monkeypatch.setattr(limits, "SHARED_BATCH_EVENTS_MAX", 10)
    monkeypatch.setattr(limits, "BATCH_EVENTS_MAX", 10)
    rig = Rig(store=PickyStore("number 23"), projection=conversations)
    await rig.log.record(*(chat(f"number {n}", f"harbour {n % 4}") for n in range(1, 41)))
    waiting = [n for n in range(23, 41) if n % 4 == 23 % 4]

    built = await rebuild(
        conversations, rig.store, rig.registry, rig.log.reader, rig.quarantine, pace=pace
    )

    (key,) = (await rig.quarantine.keys(built.view)).values()
    assert (built.parked, key.position, key.events) == (len(waiting), 23, len(waiting))
    found = {
        row.fields["text"]
        async for row in rig.store.rows(built.view)
        if row.collection == "messages"
    }
    assert found == {f"number {n}" for n in range(1, 41) if n not in waiting}


async def test_a_rebuild_that_goes_on_keeps_what_was_parked_before_it_was_killed() -> None:
    class Dying(PickyStore):
        """Dies once, after something was parked."""

        dies_at = 12

        async def apply(
            self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
        ) -> None:
            if position == self.dies_at and not changes:
                self.dies_at = -1
                raise Unavailable("the plug was pulled", engine="memory")
            await super().apply(view, changes, position, visible=visible)

    rig = Rig(store=Dying("number 3"), projection=conversations)
    await rig.log.record(*(chat(f"number {n}") for n in range(1, 13)))
    again = (conversations, rig.store, rig.registry, rig.log.reader, rig.quarantine)

    with pytest.raises(Unavailable):
        await rebuild(*again)
    await rig.log.record(chat("number 13"), chat("elsewhere", "island"))
    built = await rebuild(*again)

    assert built.view.generation == 1
    assert built.parked == 11, "the third of the harbour's thirteen, and what waits behind it"
    assert await rig.store.checkpoint(built.view) == 14


async def test_the_first_start_builds_before_it_serves() -> None:
    rig = Rig()
    await rig.log.record_chats(30)

    async with rig.running():
        view, position = await rig.progress.at_least("shelf")

        assert (view, position) == (View("shelf", 1, 1), 30)
        assert await rig.found(view) == await rig.expected()


async def test_an_empty_log_makes_an_empty_read_model() -> None:
    rig = Rig()

    async with rig.running():
        assert await rig.progress.at_least("shelf") == (View("shelf", 1, 1), 0)


async def test_queries_go_on_while_a_new_view_is_built_and_then_get_it() -> None:
    rig = Rig(store=SlowStore())
    await rig.log.record_chats(30)
    seen: list[tuple[int, int]] = []

    async with rig.running():
        await rig.caught_up()
        rig.store.gate.clear()  # type: ignore[attr-defined]
        rebuilding = asyncio.create_task(rig.model.rebuild(lambda p, h, _: seen.append((p, h))))
        await asyncio.sleep(0.05)
        await rig.log.record(chat("meanwhile"))
        old = await rig.caught_up()
        assert old.generation == 1
        rig.store.gate.set()  # type: ignore[attr-defined]
        built = await rebuilding

        await eventually(lambda: rig.progress.status()[0].view == built.view)
        await rig.log.record(chat("afterwards"))
        assert await rig.caught_up() == built.view
        assert await rig.found(built.view) == await rig.expected()
    assert built.view.generation == 2
    assert seen[-1] == (31, 31)
    assert await rig.registry.all() == [(old, "retired"), (built.view, "active")]


async def test_the_position_queries_see_never_goes_back() -> None:
    rig = Rig()
    positions: list[int] = []

    async def watch() -> None:
        while True:
            positions.append((await rig.progress.at_least("shelf"))[1])
            await asyncio.sleep(0)

    async with rig.running():
        await rig.caught_up()
        async with running(watch()):
            for _ in range(4):
                rebuilding = asyncio.create_task(rig.model.rebuild())
                await rig.log.record_chats(7, per_append=1)
                await rebuilding
                await rig.caught_up()

    assert positions == sorted(positions)
    assert max(positions) == 28


async def test_a_view_built_by_another_process_serves_once_it_is_as_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polls, "REGISTER_POLL_SECONDS", 0.02)
    rig = Rig(store=SlowStore())
    await rig.log.record_chats(9)
    positions: list[int] = []

    async def watch() -> None:
        while True:
            positions.append((await rig.progress.at_least("shelf"))[1])
            await asyncio.sleep(0)

    async with rig.running():
        await rig.caught_up()
        async with running(watch()):
            view = await rig.registry.create("shelf", 1)
            await rig.store.prepare(view)
            await rig.registry.activate(view)
            await eventually(lambda: rig.progress.status()[0].view == view)

    assert set(positions) == {9}
    assert await rig.found(view) == await rig.expected()


async def test_only_the_newest_retired_view_is_kept() -> None:
    rig = Rig()
    await rig.log.record_chats(3)

    async with rig.running():
        await rig.caught_up()
        for _ in range(3):
            await rig.model.rebuild()

    states = [(view.generation, state) for view, state in await rig.registry.all()]
    assert states == [(3, "retired"), (4, "active")]
    assert [await rig.store.checkpoint(View("shelf", 1, n)) for n in (1, 2, 3, 4)] == [
        None,
        None,
        3,
        3,
    ]


async def test_a_killed_rebuild_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paces, "PAGE_EVENTS_MAX", 10)
    monkeypatch.setattr(limits, "BATCH_EVENTS_MAX", 10)
    store = DyingStore(dies_at=20)
    rig = Rig(store=store)
    await rig.log.record_chats(35)
    with pytest.raises(Unavailable):
        await rig.model.rebuild()
    half_built = View("shelf", 1, 1)
    assert await rig.registry.all() == [(half_built, "building")]
    assert await store.checkpoint(half_built) == 10

    built = await rig.model.rebuild()

    assert built.view == half_built
    assert store.applied == [10, 20, 30, 35]
    assert await rig.found(built.view) == await rig.expected()


@pytest.mark.parametrize("leftover", ["of another log", "lost by its store", "of an older version"])
async def test_a_half_built_view_that_is_of_no_use_is_dropped(leftover: str) -> None:
    rig = Rig(projection=replace(SHELF, version=2))
    await rig.log.record_chats(5)
    version = 1 if leftover == "of an older version" else 2
    half_built = await rig.registry.create("shelf", version)
    if leftover != "lost by its store":
        await rig.store.prepare(half_built)
    if leftover == "of another log":
        await rig.store.apply(half_built, [], 6)

    built = await rig.model.rebuild()

    assert await rig.registry.all() == [(built.view, "active")]
    assert built.view == View("shelf", 2, 2)
    assert await rig.store.checkpoint(half_built) is None


async def test_a_newer_program_s_half_built_view_is_left_to_it() -> None:
    rig = Rig()
    theirs = await rig.registry.create("shelf", 2)
    await rig.store.prepare(theirs)

    built = await rig.model.rebuild()

    assert await rig.registry.all() == [(theirs, "building"), (built.view, "active")]


async def test_a_half_built_view_that_was_spoilt_is_dropped_and_not_switched_to() -> None:
    rig = Rig()
    await rig.log.record_chats(5)
    spoilt = await rig.registry.create("shelf", 1)
    await rig.store.prepare(spoilt)
    await rig.store.apply(spoilt, [Put("texts", "nobody said it", {"position": 1})], 3)

    with pytest.raises(Corrupt, match="4 rows differ, the first is texts/message 0"):
        await rig.model.rebuild()

    assert await rig.registry.all() == []
    assert await rig.store.checkpoint(spoilt) is None
    assert (await rig.model.rebuild()).view.generation == 2


async def test_a_store_that_loses_a_row_does_not_get_to_serve() -> None:
    class Forgetful(MemoryReadStore):
        async def rows(self, view: View) -> AsyncIterator[Row]:
            async for row in super().rows(view):
                if row.key != "message 2":
                    yield row

    rig = Rig(store=Forgetful())
    await rig.log.record_chats(5)

    with pytest.raises(Corrupt, match="texts/message 2") as refused:
        await rebuild(SHELF, rig.store, rig.registry, rig.log.reader, rig.quarantine)

    assert refused.value.details["position"] == 3
    assert await rig.registry.active("shelf") is None


async def test_one_rebuild_at_a_time() -> None:
    rig = Rig(store=SlowStore())
    await rig.log.record_chats(5)
    async with rig.running():
        await rig.caught_up()
        rig.store.gate.clear()  # type: ignore[attr-defined]
        first = asyncio.create_task(rig.model.rebuild())
        await asyncio.sleep(0.05)

        with pytest.raises(Refused):
            await rig.model.rebuild()

        rig.store.gate.set()  # type: ignore[attr-defined]
        await first


async def test_a_lost_view_comes_back_equal() -> None:
    rig = Rig()
    await rig.log.record(document("manual", "text"), chat("hello"))

    async with rig.running():
        lost = await rig.caught_up()
        await rig.store.drop(lost)
        await rig.log.record(chat("again"))
        await eventually(lambda: rig.progress.status()[0].view != lost)
        view = await rig.caught_up()

        assert await rig.found(view) == await rig.expected()


async def test_a_newer_version_is_built_before_it_serves() -> None:
    rig = Rig()
    await rig.log.record_chats(4)
    async with rig.running():
        old = await rig.caught_up()

    newer = Rig(projection=replace(SHELF, version=2), beside=rig)
    with pytest.raises(Unavailable):
        await newer.progress.at_least("shelf", timeout_seconds=0.01)
    async with newer.running():
        assert await newer.caught_up() == View("shelf", 2, 2)
    assert (old, "retired") in await rig.registry.all()


async def test_a_view_ahead_of_the_log_stops_until_it_is_rebuilt() -> None:
    rig = Rig()
    await rig.log.record_chats(9)
    async with rig.running():
        await rig.caught_up()

    restored = Rig(EventLog(), beside=rig)
    await restored.log.record_chats(4)
    restored.progress.advance(View("shelf", 1, 1), 9)
    async with restored.running():
        await eventually(lambda: restored.progress.status()[0].state == "stopped")
        with pytest.raises(LogEpochMismatch):
            await restored.model.verify()
        view = (await restored.model.rebuild()).view
        await eventually(lambda: restored.progress.status()[0].view == view)

        assert restored.progress.position("shelf") == 4
        assert await restored.found(view) == await restored.expected()


async def test_a_standby_follows_and_takes_over() -> None:
    leader = Rig()
    standby = Rig(beside=leader)
    await leader.log.record_chats(3)

    async with leader.running():
        await leader.caught_up()
        async with standby.running():
            await standby.caught_up()
            assert leader.leaderships.of("read model shelf v1")._seat.locked()
    async with standby.running():
        await leader.log.record_chats(2)
        view = await standby.caught_up()

    assert await standby.found(view) == await standby.expected()
