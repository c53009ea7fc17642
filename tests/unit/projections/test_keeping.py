"""A process keeps and follows its read models with few questions, and misses nothing."""

import asyncio

import pytest

import aigestion.projections.keeping as polls
import aigestion.projections.read_model as delays
from aigestion.projections.keeping import follow_read_models, keep_read_models
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.views import MemoryViewRegistry, ViewState
from aigestion.readstores.port import View
from tests.support.history import chat
from tests.support.read_models import Rig
from tests.support.tasks import eventually, running


class CountingStore(MemoryReadStore):
    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    async def checkpoint(self, view: View) -> int | None:
        self.looks += 1
        return await super().checkpoint(view)


class CountingRegistry(MemoryViewRegistry):
    def __init__(self) -> None:
        super().__init__()
        self.questions = 0

    async def all(self) -> list[tuple[View, ViewState]]:
        self.questions += 1
        return await super().all()


@pytest.fixture
def slow_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polls, "REGISTER_POLL_SECONDS", 0.1)
    monkeypatch.setattr(delays, "QUIET_POLL_SECONDS", 5.0)
    monkeypatch.setattr(delays, "AWAITED_POLL_SECONDS", 0.01)


async def followed() -> tuple[Rig, Rig, CountingStore]:
    """A keeper, and a follower that looks at the same view through a store of its own."""
    keeper = Rig()
    store = CountingStore()
    store._views, store._checkpoints = keeper.store._views, keeper.store._checkpoints  # type: ignore[attr-defined]
    return keeper, Rig(beside=keeper, store=store), store


@pytest.mark.usefixtures("slow_polls")
async def test_a_quiet_follower_looks_rarely_and_a_waiting_query_makes_it_look_often() -> None:
    keeper, follower, store = await followed()
    await keeper.log.record_chats(3)
    async with (
        keeper.running(),
        running(follow_read_models([follower.model], follower.registry)),
    ):
        await keeper.caught_up()
        await follower.progress.at_least("shelf", 3)
        quiet_since = store.looks
        await asyncio.sleep(0.3)
        assert store.looks - quiet_since <= 1

        waiting = asyncio.create_task(follower.progress.at_least("shelf", 4))
        await asyncio.sleep(0.1)
        looks = store.looks
        await keeper.log.record(chat("more"))

        view, position = await waiting

    assert looks - quiet_since >= 3, "it looks often while somebody waits"
    assert (view, position) == (View("shelf", 1, 1), 4)


@pytest.mark.usefixtures("slow_polls")
async def test_one_question_to_the_register_serves_all_read_models() -> None:
    registry = CountingRegistry()
    first = Rig()
    rigs = [first, *(Rig(beside=first) for _ in range(7))]
    for rig in rigs:
        rig.registry = rig.model.registry = registry
    await rigs[0].model.rebuild()
    models = [rig.model for rig in rigs]

    async with running(follow_read_models(models, registry)):
        await eventually(lambda: all(rig.progress.status()[0].view for rig in rigs))
        before = registry.questions
        await asyncio.sleep(0.5)

    assert 1 <= registry.questions - before <= 6


@pytest.mark.usefixtures("slow_polls")
async def test_keepers_do_not_ask_the_register_one_by_one_either() -> None:
    rig = Rig()
    rig.registry = rig.model.registry = registry = CountingRegistry()

    async with rig.running():
        await rig.caught_up()
        await eventually(lambda: rig.model._standing is not None)
        await asyncio.sleep(0.15)
        before = registry.questions
        await asyncio.sleep(0.5)

    assert 1 <= registry.questions - before <= 6


async def test_a_follower_switches_when_the_new_view_is_as_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polls, "REGISTER_POLL_SECONDS", 0.02)
    monkeypatch.setattr(delays, "QUIET_POLL_SECONDS", 0.02)
    rig = Rig()
    await rig.log.record_chats(9)
    old = (await rig.model.rebuild()).view
    positions: list[int] = []
    async with running(follow_read_models([rig.model], rig.registry)):
        await rig.progress.at_least("shelf", 9)
        behind = await rig.registry.create("shelf", 1)
        await rig.store.prepare(behind)
        await rig.store.apply(behind, [], 5)
        await rig.registry.activate(behind)
        for _ in range(10):
            view, position = await rig.progress.at_least("shelf")
            positions.append(position)
            assert view == old
            await asyncio.sleep(0.01)

        await rig.store.apply(behind, [], 9)

        await eventually(lambda: rig.progress.status()[0].view == behind)
    assert set(positions) == {9}


async def test_being_told_to_stop_waits_for_what_an_engine_is_doing() -> None:
    class Busy(MemoryReadStore):
        at_work = 0

        async def checkpoint(self, view: View) -> int | None:
            working = asyncio.ensure_future(asyncio.sleep(0.05))
            self.at_work += 1
            try:
                await asyncio.shield(working)
            except asyncio.CancelledError:
                await asyncio.wait([working])  # as `WorkerThreads` does
                raise
            finally:
                self.at_work -= working.done()
            return await super().checkpoint(view)

    rig = Rig(store=Busy())
    view = await rig.registry.create("shelf", 1)
    await rig.store.prepare(view)
    await rig.registry.activate(view)
    for lives in (
        follow_read_models([rig.model], rig.registry),
        keep_read_models([rig.model], rig.leaderships, rig.registry),
    ):
        async with running(lives):
            await eventually(lambda: rig.store.at_work > 0)  # type: ignore[attr-defined]

        assert rig.store.at_work == 0  # type: ignore[attr-defined]


async def test_each_read_model_has_a_leader_of_its_own() -> None:
    one = Rig()
    other = Rig(beside=one)
    await one.log.record_chats(3)
    async with other.leaderships.of(one.model.seat).held():
        keeping = keep_read_models([one.model], one.leaderships, one.registry)
        async with running(one.subscription.run(), keeping):
            await asyncio.sleep(0.1)
            assert await one.registry.all() == []
    async with other.running():
        assert await other.caught_up() == View("shelf", 1, 1)
