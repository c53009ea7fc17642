"""Programs of different versions on one log: each keeps what it understands, and one switches."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

import aigestion.projections.keeping as polls
import aigestion.projections.read_model as delays
from aigestion.kernel.errors import Refused
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.progress import Line
from aigestion.projections.views import ViewState
from aigestion.readstores.port import Change, View
from tests.support.history import chat
from tests.support.read_models import SHELF, Rig
from tests.support.tasks import eventually, running

NEWER = replace(SHELF, version=2)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polls, "REGISTER_POLL_SECONDS", 0.02)
    monkeypatch.setattr(delays, "RETRY_SECONDS", 0.05)


class GatedStore(MemoryReadStore):
    """Views of version 2 are not written to before the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        if view.version == 2:
            await self.gate.wait()
        await super().apply(view, changes, position)


def line(rig: Rig) -> Line:
    return rig.progress.status()[0]


async def states(rig: Rig) -> list[tuple[View, ViewState]]:
    return await rig.registry.all()


async def test_a_newer_program_builds_beside_the_older_which_serves_on() -> None:
    store = GatedStore()
    older = Rig(store=store)
    newer = Rig(beside=older, projection=NEWER)
    await older.log.record_chats(5)
    async with older.running():
        old = await older.caught_up()
        async with newer.running():
            await eventually(lambda: line(newer).state == "building")
            await older.log.record(chat("meanwhile"))
            assert await older.caught_up() == old
            assert (await states(older))[-1] == (View("shelf", 2, 2), "building")

            store.gate.set()

            new = await newer.caught_up()
            assert new == View("shelf", 2, 2)
            assert await newer.found(new) == await newer.expected()
            await eventually(lambda: line(older).newer == new)


async def test_the_older_program_goes_on_with_its_own_view_and_builds_nothing() -> None:
    older = Rig()
    newer = Rig(beside=older, projection=NEWER)
    await older.log.record_chats(5)
    async with older.running():
        old = await older.caught_up()
        async with newer.running():
            new = await newer.caught_up()
            await eventually(lambda: line(older).newer == new)

            await older.log.record(chat("afterwards"))

            assert await older.caught_up() == old
            assert await newer.caught_up() == new
            assert await states(older) == [(old, "retired"), (new, "active")]
            assert older.store.served[-1] == new  # type: ignore[attr-defined]


async def test_an_older_program_that_starts_again_does_not_put_its_view_in_front() -> None:
    older = Rig()
    newer = Rig(beside=older, projection=NEWER)
    old = (await older.model.rebuild()).view
    new = (await newer.model.rebuild()).view

    async with newer.running(), older.running():
        assert await older.caught_up() == old
        assert await newer.caught_up() == new

    assert older.store.served == [old, new, new]  # type: ignore[attr-defined]


async def test_an_older_program_without_a_view_of_its_own_stands_by() -> None:
    newer = Rig(projection=NEWER)
    older = Rig(beside=newer)
    async with newer.running():
        new = await newer.caught_up()
        async with older.running():
            await eventually(lambda: line(older).state == "standing-by")

            await newer.log.record_chats(3)
            await newer.caught_up()

            assert (line(older).view, line(older).newer) == (None, new)
            assert await states(newer) == [(new, "active")]


async def test_an_older_program_does_not_rebuild_over_a_newer_version() -> None:
    newer = Rig(projection=NEWER)
    await newer.model.rebuild()

    with pytest.raises(Refused, match="shelf_v2_g1 serves, of a newer version"):
        await Rig(beside=newer).model.rebuild()


async def test_a_version_that_was_rolled_back_is_not_built_again_by_itself() -> None:
    older = Rig()
    newer = Rig(beside=older, projection=NEWER)
    await older.log.record_chats(5)
    old = (await older.model.rebuild()).view
    new = (await newer.model.rebuild()).view
    await older.log.record(chat("the roll-back must catch up with this"))

    back = await older.model.roll_back()

    assert (back.view, back.position, back.left) == (old, 6, new)
    async with newer.running(), older.running():
        assert await older.caught_up() == old
        assert await newer.caught_up() == new, "it goes on with its own until it is replaced"
        assert await states(older) == [(old, "active"), (new, "retired")]
    await newer.store.drop(new)
    async with newer.running():
        await eventually(lambda: line(newer).state == "standing-by")
        assert await states(older) == [(old, "active"), (new, "retired")]


@pytest.mark.parametrize("how", ["a rebuild was asked for", "the version was raised"])
async def test_a_roll_back_lasts_until_somebody_wants_it_otherwise(how: str) -> None:
    older = Rig()
    newer = Rig(beside=older, projection=NEWER)
    await older.model.rebuild()
    await newer.model.rebuild()
    await older.model.roll_back()

    if how == "a rebuild was asked for":
        wanted = (await newer.model.rebuild()).view
    else:
        newer = Rig(beside=older, projection=replace(SHELF, version=3))
        async with newer.running():
            wanted = await newer.caught_up()

    assert await older.registry.active("shelf") == wanted
    assert await older.registry.rolled_back("shelf") == 0


async def test_a_roll_back_within_a_version_goes_to_the_former_view_and_back_again() -> None:
    rig = Rig()
    await rig.log.record_chats(5)
    async with rig.running():
        first = await rig.caught_up()
        second = (await rig.model.rebuild()).view
        await eventually(lambda: line(rig).view == second)

        assert (await rig.model.roll_back()).view == first

        await eventually(lambda: line(rig).view == first)
        await rig.log.record(chat("more"))
        assert await rig.caught_up() == first
        assert await rig.found(first) == await rig.expected()
        assert line(rig).retired == second
        assert (await rig.model.roll_back()).view == second


async def test_there_must_be_a_view_to_go_back_to_that_this_program_understands() -> None:
    older = Rig()
    newer = Rig(beside=older, projection=NEWER)
    with pytest.raises(Refused, match="no former view"):
        await older.model.roll_back()
    old = (await older.model.rebuild()).view
    await newer.model.rebuild()

    with pytest.raises(Refused, match="roll back with the program that keeps version 1"):
        await newer.model.roll_back()
    await older.store.drop(old)
    with pytest.raises(Refused, match="its store has lost it"):
        await older.model.roll_back()


async def test_after_a_roll_back_and_a_rebuild_the_view_that_served_is_the_one_kept() -> None:
    rig = Rig()
    first = (await rig.model.rebuild()).view
    await rig.model.rebuild()
    await rig.model.roll_back()

    third = (await rig.model.rebuild()).view

    assert await states(rig) == [(first, "retired"), (third, "active")]


async def test_another_process_rebuilds_and_the_keeper_keeps_what_it_built() -> None:
    keeper = Rig()
    other = Rig(beside=keeper)
    await keeper.log.record_chats(5)
    async with keeper.running():
        await keeper.caught_up()

        built = (await other.model.rebuild()).view

        await eventually(lambda: line(keeper).view == built)
        await keeper.log.record(chat("afterwards"))
        assert await keeper.caught_up() == built


async def test_a_rebuild_is_refused_while_another_process_is_at_it() -> None:
    store = GatedStore()
    one = Rig(store=store, projection=NEWER)
    other = Rig(beside=one, projection=NEWER)
    await one.log.record_chats(1)
    async with running(rebuilt(one)):
        await eventually(lambda: bool(one.locks._held))

        with pytest.raises(Refused, match="is being rebuilt already"):
            await other.model.rebuild()
        with pytest.raises(Refused, match="is being rebuilt"):
            await other.model.roll_back()

        store.gate.set()
        await eventually(lambda: not one.locks._held)
    assert (await other.model.rebuild()).view.generation == 2


async def rebuilt(rig: Rig) -> None:
    await rig.model.rebuild()


async def test_a_build_in_another_process_is_seen() -> None:
    store = GatedStore()
    keeper = Rig(store=store)
    other = Rig(beside=keeper, projection=NEWER)
    await keeper.log.record_chats(5)
    async with keeper.running():
        await keeper.caught_up()
        async with running(rebuilt(other)):
            await eventually(lambda: line(keeper).building is not None)
            building = line(keeper).building
            assert building is not None
            assert (building.view, building.position) == (View("shelf", 2, 2), 0)
            store.gate.set()
            await eventually(lambda: line(keeper).building is None)
