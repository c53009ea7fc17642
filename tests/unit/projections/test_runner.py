"""The runner applies each event once and in order, and stops in plain sight."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigestion.events.catalog import EVENTS, Catalog
from aigestion.events.conversation import ConversationStarted
from aigestion.events.knowledge import DocumentRemoved
from aigestion.events.recorded import Recorded
from aigestion.kernel.errors import Unavailable
from aigestion.messaging.cloudevents import to_message
from aigestion.projections import runner as limits
from aigestion.projections import writer
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.readstores.port import Change, View
from tests.support.event_log import EventLog
from tests.support.history import chat, document, id_of, started
from tests.support.read_models import SHELF, Rig, project
from tests.support.tasks import eventually
from tests.unit.messaging.test_subscription import HostileBroker

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BACKOFF_MAX_SECONDS", limits.BACKOFF_MIN_SECONDS)


class CrashingStore(MemoryReadStore):
    """Writes the effect and dies before the checkpoint, as often as it is told to."""

    def __init__(self, crashes: int, checkpoint_first: bool = False) -> None:
        super().__init__()
        self.crashes = crashes
        self.applied: list[int] = []

    async def apply(
        self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
    ) -> None:
        if changes and self.crashes:
            self.crashes -= 1
            for change in changes:
                self._change(self._views[view], change)
            raise Unavailable("the plug was pulled", engine="memory")
        self.applied.append(position)
        await super().apply(view, changes, position)


class ForgetfulStore(CrashingStore):
    """Comes back from a crash without what it was told last."""

    def __init__(self) -> None:
        super().__init__(crashes=0)

    def forget(self, view: View) -> None:
        self._views[view], self._checkpoints[view] = {}, 0


@settings(max_examples=40, deadline=None)
@given(data=st.data())
async def test_any_delivery_and_any_crash_give_what_the_log_says(data: st.DataObject) -> None:
    log = EventLog()
    for n in range(data.draw(st.integers(1, 12))):
        kind = data.draw(st.sampled_from(["chat", "document", "removal", "other"]))
        name = data.draw(st.sampled_from("abc"))
        match kind:
            case "chat":
                await log.record(chat(f"{name} {n % 3}"))
            case "document":
                await log.record(document(name, "text"))
            case "removal":
                await log.record(DocumentRemoved(document_id=id_of(name)))
            case _:
                await log.record(started(name))
    messages = [to_message(event) for event in await log.reader.read()]
    deliveries = data.draw(st.lists(st.lists(st.sampled_from(messages), max_size=6), max_size=5))
    store = CrashingStore(crashes=data.draw(st.integers(0, 2)))
    rig = Rig(log, HostileBroker(deliveries, last=0), store)
    await _serving_from_nothing(rig)

    async with rig.running():
        view = await rig.caught_up()

        assert await rig.found(view) == await rig.expected()
        assert store.applied == sorted(store.applied)


async def _serving_from_nothing(rig: Rig) -> View:
    """An empty view that serves, as if it had been built before the first event."""
    view = await rig.registry.create(SHELF.name, SHELF.version)
    await rig.store.prepare(view)
    await rig.registry.activate(view)
    return view


async def test_events_of_other_types_move_the_view_but_are_not_written_one_by_one() -> None:
    store = CrashingStore(crashes=0)
    rig = Rig(store=store)
    await rig.broker.create(1)
    view = await _serving_from_nothing(rig)

    async with rig.running():
        await eventually(lambda: rig.progress.status()[0].state == "running")
        await rig.record(chat("hello"))
        await rig.caught_up()
        for n in range(8):
            await rig.record(started(f"conversation {n}"))
            assert await rig.caught_up() == view
        assert store.applied == [1]

        await eventually(lambda: store.applied == [1, 9])


async def test_a_restart_goes_on_at_the_checkpoint() -> None:
    rig = Rig()
    await rig.log.record_chats(5)
    async with rig.running():
        await rig.caught_up()
    await rig.log.record_chats(5)

    again = Rig(rig.log, store=rig.store)
    again.registry._states = rig.registry._states
    async with again.running():
        view = await again.caught_up()

        assert view.generation == 1
        assert await again.found(view) == await again.expected()


async def test_a_store_that_is_away_is_tried_for_ever() -> None:
    rig = Rig(store=CrashingStore(crashes=3))
    await _serving_from_nothing(rig)
    await rig.log.record(chat("hello"))

    async with rig.running():
        await eventually(lambda: rig.progress.status()[0].state == "retrying")
        assert "plug" in str(rig.progress.status()[0].error)
        view = await rig.caught_up()

        assert rig.progress.status()[0].state == "running"
        assert await rig.found(view) == await rig.expected()


@pytest.mark.parametrize("is_gone", [False, True])
async def test_what_a_store_forgets_while_nothing_comes_is_written_again(
    is_gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COMPARE_SECONDS", 0.1)
    store = ForgetfulStore()
    rig = Rig(store=store)
    await rig.broker.create(1)
    view = await _serving_from_nothing(rig)

    async with rig.running():
        for text in ("one", "two"):
            await rig.record(chat(text))
            await rig.caught_up()
        if is_gone:
            await store.drop(view)
        else:
            store.forget(view)

        await eventually(lambda: len(store.applied) > 2)
        await eventually(lambda: rig.progress.status()[0].state == "running")
        view = await rig.caught_up()
        assert await rig.found(view) == await rig.expected()


async def test_an_event_without_a_key_that_cannot_be_applied_stops_the_line() -> None:
    def fails(recorded: Recorded[Any]) -> Sequence[Change]:
        if getattr(recorded.data, "text", "") == "poison":
            raise ZeroDivisionError
        return project(recorded)

    rig = Rig(projection=replace(SHELF, project=fails, key=lambda recorded: None))
    view = await _serving_from_nothing(rig)
    await rig.log.record(chat("one"), chat("two"), chat("poison"), chat("four"))

    async with rig.running():
        await eventually(lambda: rig.progress.status()[0].state == "retrying")
        [line] = rig.progress.status()

        assert (line.position, line.error_position) == (2, 3)
        assert "ZeroDivisionError" in str(line.error)
        assert await rig.store.checkpoint(view) == 2
        assert {row.key for row in await rig.found(view)} == {"one", "two", "text"}


async def test_an_unknown_event_stops_the_line_though_the_projection_does_not_read_it() -> None:
    log = EventLog()
    await log.record(chat("one"), started(), chat("three"))
    catalog = Catalog(tuple(e for e in EVENTS if e is not ConversationStarted))
    rig = Rig(log.known_to(catalog))
    view = await _serving_from_nothing(rig)

    async with rig.running():
        await eventually(lambda: rig.progress.status()[0].state == "stopped")
        [line] = rig.progress.status()

        assert (line.position, line.error_position) == (1, 2)
        assert await rig.store.checkpoint(view) == 1


async def test_a_large_batch_is_written_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "CHANGES_MAX", 10)
    store = CrashingStore(crashes=0)
    rig = Rig(store=store)
    await _serving_from_nothing(rig)
    await rig.log.record_chats(12)

    async with rig.running():
        await rig.caught_up()

    assert store.applied == [5, 10, 12]


async def test_company_is_waited_for_where_small_writes_hurt() -> None:
    store = CrashingStore(crashes=0)
    store.gather_seconds = 0.5
    rig = Rig(store=store)
    await rig.broker.create(1)
    await _serving_from_nothing(rig)

    async with rig.running():
        await eventually(lambda: rig.progress.status()[0].state == "running")
        for n in range(10):
            await rig.record(chat(str(n)))
            await asyncio.sleep(0.001)
        await rig.caught_up()

    assert store.applied == [10]
