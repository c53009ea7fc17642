"""What cannot be applied waits with all that follows of its key; the rest goes on (law 14)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from aigestion.events.catalog import EVENTS, Catalog
from aigestion.events.conversation import ConversationStarted
from aigestion.kernel.errors import CheckpointMoved, Misconfigured
from aigestion.projections import runner as patience
from aigestion.projections import writer as limits
from aigestion.projections.conversations import conversations
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.quarantine import MemoryQuarantine
from aigestion.projections.writer import ViewWriter
from aigestion.readstores.parked import ParkedEvent, ParkedKey
from aigestion.readstores.port import Change, View
from tests.support.event_log import EventLog
from tests.support.history import chat, id_of, started
from tests.support.poison import Fault, PickyStore
from tests.support.read_models import Rig
from tests.support.tasks import eventually, running

HARBOUR = f"demo/conversation:{id_of('harbour')}"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "BACKOFF_MAX_SECONDS", patience.BACKOFF_MIN_SECONDS)


async def serving_from_nothing(rig: Rig) -> View:
    """An empty view that serves: whatever is recorded comes to it through the runner."""
    view = await rig.registry.create(rig.projection.name, rig.projection.version)
    await rig.store.prepare(view)
    await rig.registry.activate(view)
    return view


def again(rig: Rig) -> Rig:
    """The same log, store and quarantine in another process."""
    other = Rig(rig.log, store=rig.store, projection=rig.projection, quarantine=rig.quarantine)
    other.registry._states = rig.registry._states
    return other


async def texts(rig: Rig, view: View) -> set[str]:
    return {row.fields["text"] for row in await rig.found(view) if row.collection == "messages"}


async def parked(rig: Rig, view: View) -> list[int]:
    events = [
        await rig.quarantine.events(view, key, 1_000) for key in await rig.quarantine.keys(view)
    ]
    return sorted(event.position for of_key in events for event in of_key)


async def test_a_poison_event_parks_its_conversation_and_the_others_go_on() -> None:
    fault = Fault("poison")
    rig = Rig(projection=fault.projection)
    view = await serving_from_nothing(rig)
    await rig.log.record(
        started(), chat("one"), chat("poison"), started("island"), chat("two"), chat("a", "island")
    )

    async with rig.running():
        await rig.caught_up()
        await rig.log.record(chat("three"), chat("b", "island"))
        await rig.caught_up()

    assert await texts(rig, view) == {"one", "a", "b"}
    assert await parked(rig, view) == [3, 5, 7]
    assert fault.tried == [1, 2, 3, 4, 6, 8], "what waits behind it is not tried"
    [line] = rig.progress.status()
    assert (line.state, line.error, line.position) == ("running", None, 8)
    assert (line.parked_events, list(line.parked)) == (3, [HARBOUR])
    [harbour] = line.parked.values()
    assert (harbour.position, harbour.type, harbour.tenant) == (3, "user.chat", "demo")


async def test_the_error_is_told_without_what_was_said() -> None:
    rig = Rig(projection=Fault("poison").projection)
    view = await serving_from_nothing(rig)
    await rig.log.record(chat("poison"))

    async with rig.running():
        await rig.caught_up()

    [harbour] = (await rig.quarantine.keys(view)).values()
    assert str(harbour.error).startswith("ZeroDivisionError at poison.py:")
    assert "personal" not in str(harbour.error)


async def test_another_tenants_conversation_of_the_same_id_goes_on() -> None:
    rig = Rig(projection=Fault("poison").projection)
    view = await serving_from_nothing(rig)
    await rig.log.record(chat("poison"))
    await rig.log.record(chat("hello"), tenant="acme")

    async with rig.running():
        await rig.caught_up()

    assert await texts(rig, view) == {"hello"}
    assert rig.progress.stale("conversations", "demo")
    assert not rig.progress.stale("conversations", "acme")


async def test_a_restart_keeps_what_is_parked() -> None:
    fault = Fault("poison")
    rig = Rig(projection=fault.projection)
    view = await serving_from_nothing(rig)
    await rig.log.record(chat("poison"))
    async with rig.running():
        await rig.caught_up()
    fault.texts.clear()  # a new version of the program, which could do it

    rig = again(rig)
    async with rig.running():
        await rig.log.record(chat("two"), chat("a", "island"))
        await rig.caught_up()

    assert await texts(rig, view) == {"a"}
    assert await parked(rig, view) == [1, 2]


async def test_killed_between_parking_and_the_checkpoint_nothing_is_parked_twice_or_lost() -> None:
    class Killed(MemoryReadStore):
        """The process dies when it is about to write."""

        killed = asyncio.Event()

        async def apply(
            self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
        ) -> None:
            self.killed.set()
            await asyncio.sleep(3600)

    rig = Rig(projection=Fault("poison").projection, store=Killed())
    view = await serving_from_nothing(rig)
    await rig.log.record(chat("one"), chat("poison"), chat("three"), chat("a", "island"))
    async with rig.running():
        await Killed.killed.wait()
        assert await parked(rig, view) == [2, 3]
        assert await rig.store.checkpoint(view) == 0

    store = MemoryReadStore()
    store._views, store._checkpoints = rig.store._views, rig.store._checkpoints  # type: ignore[attr-defined]
    rig = Rig(rig.log, store=store, projection=rig.projection, quarantine=rig.quarantine)
    await rig.registry.activate(await rig.registry.create("conversations", conversations.version))
    async with rig.running():
        await rig.caught_up()

    assert await texts(rig, view) == {"one", "a"}
    assert await parked(rig, view) == [2, 3]
    [harbour] = (await rig.quarantine.keys(view)).values()
    assert (harbour.events, harbour.position) == (2, 2)


async def test_the_one_event_a_store_rejects_is_found_among_five_hundred() -> None:
    store = PickyStore("message 321")
    rig = Rig(store=store, projection=conversations)
    view = await serving_from_nothing(rig)
    await rig.log.record(*(chat(f"message {n}", f"conversation {n % 100}") for n in range(500)))

    async with rig.running():
        await rig.caught_up()

    behind = [322 + 100 * n for n in range(2)]
    assert await parked(rig, view) == behind
    assert await texts(rig, view) == {f"message {n - 1}" for n in range(1, 501)} - {
        f"message {n - 1}" for n in behind
    }
    assert await rig.store.checkpoint(view) == 500
    assert store.calls < 30
    assert rig.progress.status()[0].state == "running"
    first = next(iter((await rig.quarantine.keys(view)).values()))
    assert first.error == "memory does not take it"


async def test_what_came_before_a_rejected_event_is_applied_though_a_later_one_is_parked_first() -> (
    None
):
    fault = Fault("poison")
    rig = Rig(store=PickyStore("too large"), projection=fault.projection)
    view = await serving_from_nothing(rig)
    await rig.log.record(
        chat("too large", "island"), chat("one"), chat("two"), chat("poison"), chat("five")
    )

    async with rig.running():
        await rig.caught_up()

    assert await texts(rig, view) == {"one", "two"}
    assert await parked(rig, view) == [1, 4, 5]


async def test_a_store_that_is_away_parks_nothing() -> None:
    class Away(MemoryReadStore):
        async def apply(
            self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
        ) -> None:
            raise Misconfigured("its tables are not of this version")

    rig = Rig(store=Away(), projection=conversations)
    view = await serving_from_nothing(rig)
    await rig.log.record(chat("one"))

    async with rig.running():
        await eventually(lambda: rig.progress.status()[0].state == "retrying")
        await asyncio.sleep(0.3)

    assert await rig.quarantine.keys(view) == {}


async def test_an_error_nobody_foresaw_is_tried_again_before_its_event_is_parked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "ATTEMPTS_MAX", 3)
    store = PickyStore("odd", error=RuntimeError)
    rig = Rig(store=store, projection=conversations)
    view = await serving_from_nothing(rig)
    await rig.log.record(chat("one"), chat("odd", "island"), chat("three"))

    async with rig.running():
        await eventually(lambda: store.calls == 2)
        assert await rig.quarantine.keys(view) == {}
        await rig.caught_up()

    assert await texts(rig, view) == {"one", "three"}
    [island] = (await rig.quarantine.keys(view)).values()
    assert island.position == 2
    assert str(island.error).startswith("RuntimeError at")


async def test_a_store_that_takes_nothing_at_all_gets_at_most_one_event_parked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "ATTEMPTS_MAX", 2)

    class Broken(MemoryReadStore):
        calls = 0

        async def apply(
            self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
        ) -> None:
            Broken.calls += 1
            raise RuntimeError("out of order")

    rig = Rig(store=Broken(), projection=conversations)
    view = await serving_from_nothing(rig)
    await rig.log.record(*(chat(str(n), f"conversation {n}") for n in range(10)))

    async with rig.running():
        await eventually(lambda: Broken.calls > 12)

    assert len(await rig.quarantine.keys(view)) == 1
    assert rig.progress.status()[0].state == "retrying"


async def test_an_unknown_event_stops_the_line_and_parks_nothing() -> None:
    log = EventLog()
    await log.record(chat("poison"), started(), chat("a", "island"))
    known = Catalog(tuple(e for e in EVENTS if e is not ConversationStarted))
    rig = Rig(log.known_to(known), projection=Fault("poison").projection)
    view = await serving_from_nothing(rig)

    async with rig.running():
        await eventually(lambda: rig.progress.status()[0].state == "stopped")

    [line] = rig.progress.status()
    assert (line.position, line.error_position) == (1, 2)
    assert await parked(rig, view) == [1]


async def test_too_many_keys_stop_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PARKED_KEYS_MAX", 2)
    fault = Fault("poison")
    rig = Rig(projection=fault.projection)
    view = await serving_from_nothing(rig)
    await rig.log.record(chat("poison", "a"), chat("poison", "b"), chat("well", "d"))
    await rig.log.record(chat("waits", "a"), chat("poison", "c"), chat("never seen", "d"))

    async with rig.running():
        await eventually(lambda: rig.progress.status()[0].state == "stopped")
        [line] = rig.progress.status()

        assert (line.position, line.error_position) == (4, 5)
        assert f"2 keys of conversations_v{conversations.version}_g1 are parked" in str(line.error)
        assert (line.parked_events, len(line.parked)) == (3, 2)
        assert await texts(rig, view) == {"well"}

        fault.texts.clear()
        await rig.caught_up()
        assert await texts(rig, view) == {"well", "poison", "never seen"}


async def test_an_old_writer_parks_nothing() -> None:
    rig = Rig(projection=Fault("poison").projection)
    view = await serving_from_nothing(rig)
    await rig.log.record(chat("poison"), chat("two"))
    events = await rig.log.reader.read()
    old = ViewWriter(rig.projection, view, rig.store, rig.quarantine)
    await old.open()
    await rig.store.apply(view, conversations.project(events[0]), 1)  # by its successor

    with pytest.raises(CheckpointMoved):
        await old.write(events)

    assert await rig.quarantine.keys(view) == {}


async def test_a_rebuild_parks_again_as_long_as_the_fault_is_there() -> None:
    fault = Fault("poison")
    rig = Rig(projection=fault.projection)
    await rig.log.record(chat("one"), chat("poison"), chat("three"), chat("a", "island"))

    async with rig.running():
        first = await rig.caught_up()
        assert await parked(rig, first) == [2, 3]
        second = await rig.model.rebuild()
        third = await rig.model.rebuild()

        assert (second.parked, third.parked) == (2, 2)
        assert await texts(rig, third.view) == {"one", "a"}
        assert await parked(rig, first) == [], "it was dropped"
        await eventually(lambda: rig.progress.status()[0].view == third.view)
        assert rig.progress.status()[0].parked_events == 2

        fault.texts.clear()
        healthy = await rig.model.rebuild()
        await eventually(lambda: rig.progress.status()[0].view == healthy.view)

    assert await rig.found(healthy.view) == await rig.expected()
    assert rig.progress.status()[0].parked_events == 0


async def test_a_rebuild_finds_what_a_store_rejects() -> None:
    rig = Rig(store=PickyStore("too large"), projection=conversations)
    await rig.log.record(chat("one"), chat("too large"), chat("three"), chat("a", "island"))

    async with rig.running():
        view = await rig.caught_up()

    assert await texts(rig, view) == {"one", "a"}
    assert await parked(rig, view) == [2, 3]


async def test_a_follower_reads_the_checkpoint_first_and_then_what_is_parked() -> None:
    asked: list[str] = []

    class Store(MemoryReadStore):
        async def checkpoint(self, view: View) -> int | None:
            asked.append("checkpoint")
            return await super().checkpoint(view)

    class Quarantine(MemoryQuarantine):
        async def keys(self, view: View) -> Mapping[str, ParkedKey]:
            asked.append("parked")
            return await super().keys(view)

    rig = Rig(store=Store(), projection=conversations, quarantine=Quarantine())
    view = await serving_from_nothing(rig)
    await rig.store.apply(view, [], 7)
    waits = ParkedEvent(position=5, key=HARBOUR, tenant="demo", type="user.chat", error="broken")
    await rig.quarantine.park(view, [waits])
    asked.clear()

    async with running(rig.model.follow()):
        _, position = await rig.progress.at_least("conversations", 7)

    assert (position, rig.progress.stale("conversations", "demo", HARBOUR)) == (7, True)
    assert asked[:2] == ["checkpoint", "parked"]


@pytest.mark.parametrize("whole", [True, False])
async def test_what_was_written_unseen_is_shown_by_the_next_batch_though_that_is_empty(
    whole: bool,
) -> None:
    class Curtain(MemoryReadStore):
        """Knows up to where queries see the view."""

        seen = 0

        async def apply(
            self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
        ) -> None:
            await super().apply(view, changes, position)
            self.seen = position if visible else self.seen

    store = Curtain()
    rig = Rig(store=store, projection=conversations)
    view = await serving_from_nothing(rig)
    await rig.log.record(chat("one"))
    writer = ViewWriter(rig.projection, view, store, rig.quarantine)
    await writer.open()

    if whole:
        [event] = await rig.log.reader.read()
        await writer.take(list(conversations.project(event)), 1, visible=False)
    else:
        await writer.write(await rig.log.reader.read(), visible=False)
    assert (await store.checkpoint(view), store.seen) == (1, 0)
    if whole:
        await writer.take([], 1, visible=True)
    else:
        await writer.write([], 1)

    assert store.seen == 1


async def test_a_key_that_fails_stops_the_line() -> None:
    def key(_: object) -> str:
        raise LookupError

    rig = Rig(projection=replace(Fault("poison").projection, key=key))
    view = await serving_from_nothing(rig)
    await rig.log.record(chat("one"), chat("poison"))

    async with rig.running():
        await eventually(lambda: rig.progress.status()[0].state == "retrying")

    assert rig.progress.status()[0].error_position == 2
    assert await texts(rig, view) == {"one"}
