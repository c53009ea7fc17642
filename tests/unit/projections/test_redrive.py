"""A redrive applies what was parked, in order; afterwards the view is what the log makes it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from aigestion.events.catalog import EVENTS, Catalog
from aigestion.events.conversation import ConversationStarted
from aigestion.kernel.errors import NotFound, Unavailable
from aigestion.projections import redrive as slices
from aigestion.projections import runner as polls
from aigestion.projections.conversations import conversations
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.quarantine import MemoryQuarantine
from aigestion.projections.redrive import redrive_some
from aigestion.projections.verify import verify
from aigestion.projections.writer import ViewWriter
from aigestion.readstores.port import Change, View
from tests.support.event_log import EventLog
from tests.support.history import chat, id_of, started
from tests.support.poison import Fault, PickyStore
from tests.support.read_models import Rig
from tests.support.tasks import eventually
from tests.unit.projections.test_quarantine import parked, serving_from_nothing, texts

HARBOUR = f"demo/conversation:{id_of('harbour')}"
ISLAND = f"demo/conversation:{id_of('island')}"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polls, "REDRIVE_POLL_SECONDS", 0.05)
    monkeypatch.setattr(polls, "BACKOFF_MAX_SECONDS", polls.BACKOFF_MIN_SECONDS)


async def two_parked(fault: Fault) -> tuple[Rig, View]:
    """Two conversations that are parked at their second message, and one that is not."""
    rig = Rig(projection=fault.projection)
    view = await serving_from_nothing(rig)
    for text in ("one", "poison", "three", "four"):
        await rig.log.record(chat(text), chat(text, "island"), chat(f"well {text}", "shore"))
    async with rig.running():
        await rig.caught_up()
    return rig, view


async def test_once_the_fault_is_gone_the_view_becomes_the_fold_of_the_log() -> None:
    fault = Fault("poison")
    rig, view = await two_parked(fault)
    fault.texts.clear()
    told: list[tuple[int, int]] = []

    async with rig.running():
        redriven = await rig.model.redrive(None, lambda done, of, _: told.append((done, of)))
        await eventually(lambda: not rig.progress.stale("conversations", "demo"))

    assert (redriven.position, redriven.parked, redriven.failed) == (6, 0, [])
    assert told[-1] == (6, 6)
    assert await rig.found(view) == await rig.expected()
    assert await parked(rig, view) == []
    assert (await rig.model.verify()).equal
    assert rig.progress.status()[0].state == "running"


async def test_one_key_alone_is_redriven() -> None:
    fault = Fault("poison")
    rig, view = await two_parked(fault)
    fault.texts.clear()

    async with rig.running():
        redriven = await rig.model.redrive(ISLAND)
        await eventually(lambda: not rig.progress.stale("conversations", "demo", ISLAND))
        assert rig.progress.stale("conversations", "demo", HARBOUR)

    assert (redriven.position, redriven.parked) == (3, 0)
    assert list(await rig.quarantine.keys(view)) == [HARBOUR]


async def test_what_fails_again_stays_parked_with_all_that_follows_and_its_new_error() -> None:
    fault = Fault("poison")
    rig, view = await two_parked(fault)
    fault.texts = {"three"}

    async with rig.running():
        redriven = await rig.model.redrive()
        await rig.log.record(chat("five"), chat("a", "shore"))
        await rig.caught_up()

    assert (redriven.position, redriven.parked) == (2, 4)
    assert [one.key for one in redriven.failed] == [HARBOUR, ISLAND]
    harbour, _ = (await rig.quarantine.keys(view)).values()
    assert (harbour.position, harbour.events, harbour.redrive) == (7, 3, False)
    assert str(harbour.error).startswith("ZeroDivisionError at poison.py:")
    assert harbour.tried_at is not None
    assert await parked(rig, view) == [7, 8, 10, 11, 13]
    assert {"poison", "a"} <= await texts(rig, view)
    assert "five" not in await texts(rig, view)


async def test_a_store_that_rejects_it_again_says_why() -> None:
    rig = Rig(store=PickyStore("too large"), projection=conversations)
    view = await serving_from_nothing(rig)
    await rig.log.record(chat("one"), chat("too large"), chat("three"))

    async with rig.running():
        await rig.caught_up()
        redriven = await rig.model.redrive()
        assert [one.error for one in redriven.failed] == ["memory does not take it"]
        rig.store.texts.clear()  # type: ignore[attr-defined]
        assert (await rig.model.redrive()).parked == 0

    assert await rig.found(view) == await rig.expected()


async def test_nothing_newer_of_a_key_slips_in_while_it_is_redriven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slices, "REDRIVE_EVENTS_MAX", 2)
    fault = Fault("poison")
    rig, view = await two_parked(fault)
    fault.texts.clear()

    class Watched(MemoryReadStore):
        """Something new is said whenever something parked is applied."""

        def __init__(self) -> None:
            super().__init__()
            self.amended: list[int] = []
            self.applying = False

        async def amend(self, view: View, changes: Sequence[Change], position: int) -> None:
            if not self.applying:
                if len(self.amended) < 4:
                    news = chat(f"meanwhile {position}"), chat(f"news {position}", "shore")
                    await rig.log.record(*news)
                self.amended.append(position)
            await super().amend(view, changes, position)

        async def apply(
            self, view: View, changes: Sequence[Change], position: int, *, visible: bool = True
        ) -> None:
            self.applying = True
            await super().apply(view, changes, position)
            self.applying = False

    store = Watched()
    store._views, store._checkpoints = rig.store._views, rig.store._checkpoints  # type: ignore[attr-defined]
    other = Rig(rig.log, store=store, projection=rig.projection, quarantine=rig.quarantine)
    other.registry._states = rig.registry._states
    async with other.running():
        redriven = await other.model.redrive(HARBOUR)
        await other.caught_up()
        await eventually(lambda: not other.progress.stale("conversations", "demo", HARBOUR))
        assert store.amended == [4, 7, 10, 13, 15, 17, 19][: len(store.amended)]
        assert len(store.amended) >= 5, "or nothing came in between"
        await other.model.redrive(ISLAND)

    assert redriven.parked == 0
    assert await other.found(view) == await other.expected()


async def test_a_redrive_is_done_though_the_line_is_stopped() -> None:
    log = EventLog()
    await log.record(chat("poison"), started(), chat("three"))
    fault = Fault("poison")
    known = Catalog(tuple(e for e in EVENTS if e is not ConversationStarted))
    rig = Rig(log.known_to(known), projection=fault.projection)
    view = await serving_from_nothing(rig)

    async with rig.running():
        await eventually(lambda: rig.progress.status()[0].state == "stopped")
        fault.texts.clear()
        assert (await rig.model.redrive()).parked == 0

    assert await texts(rig, view) == {"poison"}


class Mortal:
    """Kills the process at the n-th step of a redrive, before or after it has its effect."""

    def __init__(self, dies_at: int) -> None:
        self.left = dies_at

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise asyncio.CancelledError


@pytest.mark.parametrize("dies_at", range(1, 14))
async def test_killed_at_any_moment_a_redrive_begins_again(dies_at: int) -> None:
    fault = Fault("poison")
    rig, view = await two_parked(fault)
    fault.texts.clear()
    mortal = Mortal(dies_at)

    class Store(MemoryReadStore):
        async def amend(self, view: View, changes: Sequence[Change], position: int) -> None:
            mortal.step()
            await super().amend(view, changes, position)
            mortal.step()

    class Quarantine(MemoryQuarantine):
        async def remove(self, view: View, key: str, position: int) -> None:
            await super().remove(view, key, position)
            mortal.step()

    store, quarantine = Store(), Quarantine()
    store._views, store._checkpoints = rig.store._views, rig.store._checkpoints  # type: ignore[attr-defined]
    quarantine.__dict__ = rig.quarantine.__dict__
    writer = ViewWriter(rig.projection, view, store, quarantine)
    await writer.open()
    await quarantine.ask(view)
    with suppress(asyncio.CancelledError):
        await redrive_some(writer, rig.log.reader)
        pytest.fail("nobody died")

    async with rig.running():
        await eventually(lambda: not rig.progress.stale("conversations", "demo"))

    assert await rig.found(view) == await rig.expected()
    assert await parked(rig, view) == []


async def test_events_the_checkpoint_has_not_passed_are_not_redriven_yet() -> None:
    """They were parked just before a crash, and come again."""
    fault = Fault("poison")
    rig, view = await two_parked(fault)
    fault.texts.clear()
    await rig.quarantine.ask(view)
    rig.store._checkpoints[view] = 3  # type: ignore[attr-defined]
    writer = ViewWriter(rig.projection, view, rig.store, rig.quarantine)
    await writer.open()

    assert not await redrive_some(writer, rig.log.reader)

    assert len(writer.parked) == 2
    async with rig.running():
        await eventually(lambda: not rig.progress.stale("conversations", "demo"))
        await rig.caught_up()
    assert await rig.found(view) == await rig.expected()


async def test_at_rest_it_is_done_here() -> None:
    fault = Fault("poison")
    rig, view = await two_parked(fault)
    fault.texts.clear()

    redriven = await rig.model.redrive_at_rest()

    assert (redriven.position, redriven.parked) == (6, 0)
    assert await rig.found(view) == await rig.expected()


async def test_at_rest_what_fails_again_is_told() -> None:
    rig, _ = await two_parked(Fault("poison"))

    redriven = await rig.model.redrive_at_rest(HARBOUR)

    assert (redriven.position, redriven.parked) == (0, 3)
    assert [one.key for one in redriven.failed] == [HARBOUR]


async def test_a_key_that_is_not_parked_is_not_found() -> None:
    rig, _ = await two_parked(Fault("poison"))

    with pytest.raises(NotFound, match="shore"):
        await rig.model.redrive("demo/conversation:shore")


async def test_nothing_parked_is_nothing_to_do() -> None:
    rig = Rig(projection=conversations)
    await serving_from_nothing(rig)

    assert (await rig.model.redrive()).position == 0
    assert await rig.model.parked() == []


async def test_who_waits_in_vain_is_told_and_the_request_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slices, "STALLED_SECONDS_MAX", 0.1)
    rig, view = await two_parked(Fault("poison"))

    with pytest.raises(Unavailable, match="the request stands"):
        await rig.model.redrive()

    assert all(one.redrive for one in (await rig.quarantine.keys(view)).values())


async def test_a_view_with_parked_events_does_not_count_as_equal() -> None:
    rig, view = await two_parked(Fault("poison"))

    verdict = await rig.model.verify()

    assert (verdict.equal, verdict.differing_rows, verdict.parked) == (False, 0, 6)
    assert verdict.parked_from == 4
    assert verdict.expected == verdict.found
    rig.store._views[view].popitem()  # type: ignore[attr-defined]
    worse = await verify(rig.projection, view, rig.store, rig.log.reader, rig.quarantine)
    assert (worse.differing_rows, worse.parked) == (1, 6)


async def test_a_redrive_in_the_middle_of_a_verification_is_no_difference() -> None:
    fault = Fault("poison")
    rig, view = await two_parked(fault)
    fault.texts.clear()

    class Redriving(MemoryReadStore):
        """What is parked is applied when the rows are about to be read."""

        def rows(self, view: View):  # type: ignore[no-untyped-def]
            async def read():  # type: ignore[no-untyped-def]
                await rig.model.redrive_at_rest()
                async for row in MemoryReadStore.rows(self, view):
                    yield row

            return read()

    store = Redriving()
    store._views, store._checkpoints = rig.store._views, rig.store._checkpoints  # type: ignore[attr-defined]

    verdict = await verify(rig.projection, view, store, rig.log.reader, rig.quarantine)

    assert verdict.equal
