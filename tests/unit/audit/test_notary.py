"""The notary: signs as the log grows, goes on where another stopped, and stops where something is wrong."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from aigestion.audit import notary as notary_module
from aigestion.audit.leaf import leaf_of
from aigestion.audit.merkle import Frontier
from aigestion.audit.notary import Notary
from aigestion.audit.notary_metrics import notary_metrics
from aigestion.audit.note import Signer, opened
from aigestion.eventstore.memory import MemoryCheckpointStore, MemoryEventStore
from aigestion.kernel.errors import Unavailable
from aigestion.messaging.memory import MemoryLeadership
from tests.support.log import new_event
from tests.support.tasks import eventually, running

SIGNER = Signer("aigestion.log/demo", bytes(range(32)))
OTHER = Signer("aigestion.log/demo", bytes(32))


@pytest.fixture(autouse=True)
def every_four_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notary_module, "EVENTS_MAX", 4)
    monkeypatch.setattr(notary_module, "RETRY_SECONDS", 0.01)


@pytest.fixture
def log() -> MemoryEventStore:
    return MemoryEventStore()


@pytest.fixture
def checkpoints() -> MemoryCheckpointStore:
    return MemoryCheckpointStore()


def a_notary(log: Any, checkpoints: Any, signer: Signer = SIGNER, **fields: Any) -> Notary:
    fields = {"unsigned_seconds_max": 0.05, "poll_seconds": 0.01} | fields
    leadership = fields.pop("leadership", None) or MemoryLeadership()
    return Notary(log, checkpoints, signer, leadership, **fields)


async def appended(log: MemoryEventStore, count: int) -> None:
    await log.append([new_event() for _ in range(count)])


async def sizes(checkpoints: MemoryCheckpointStore) -> list[int]:
    return [one.size for one in await checkpoints.read(limit=1_000)]


async def root(log: MemoryEventStore, size: int) -> bytes:
    tree = Frontier()
    for stored in (await log.read())[:size]:
        tree.append(leaf_of(stored))
    return tree.root()


async def test_every_so_many_events_and_what_waited_long_enough(
    log: MemoryEventStore, checkpoints: MemoryCheckpointStore
) -> None:
    await appended(log, 9)
    notary = a_notary(log, checkpoints)

    async with running(notary.run()):
        await eventually(lambda: notary.size == 9)

    kept = await checkpoints.read(limit=9)
    assert [one.size for one in kept] == [4, 8, 9]
    for one in kept:
        assert opened(one.note, [SIGNER.public]).root == one.root == await root(log, one.size)
    assert b"".join(one.leaves for one in kept) == b"".join(map(leaf_of, await log.read()))
    assert notary.made_at is not None


async def test_it_tells_how_far_it_is(
    log: MemoryEventStore, checkpoints: MemoryCheckpointStore
) -> None:
    notary = a_notary(log, checkpoints)
    metrics = notary_metrics(notary, clock=lambda: datetime.now(UTC) + timedelta(seconds=90))

    def told() -> dict[str, float]:
        return {metric.name: metric.samples[0].value for metric in metrics()}

    assert told() == {"notary_stopped": 0}
    await appended(log, 4)
    async with running(notary.run()):
        await eventually(lambda: notary.size == 4)
        assert (told()["checkpoint_size"], told()["checkpoint_age_seconds"] // 10) == (4, 9)
        del log._events[1:]
        log._events += (await log.read()) * 9
        await eventually(lambda: notary.stopped_because is not None)
    assert told() == {"notary_stopped": 1}


async def test_an_empty_log_has_no_checkpoint(
    log: MemoryEventStore, checkpoints: MemoryCheckpointStore
) -> None:
    async with running(a_notary(log, checkpoints, unsigned_seconds_max=0).run()):
        await asyncio.sleep(0.05)

    assert await sizes(checkpoints) == []


async def test_a_quiet_log_gets_no_more(
    log: MemoryEventStore, checkpoints: MemoryCheckpointStore
) -> None:
    await appended(log, 2)
    async with running((notary := a_notary(log, checkpoints)).run()):
        await eventually(lambda: notary.size == 2)
        await asyncio.sleep(0.15)

    assert await sizes(checkpoints) == [2]


async def test_the_next_goes_on_where_the_last_was_killed(
    log: MemoryEventStore, checkpoints: MemoryCheckpointStore
) -> None:
    await appended(log, 6)
    async with running((first := a_notary(log, checkpoints, unsigned_seconds_max=60)).run()):
        await eventually(lambda: first.size == 4)
    await appended(log, 5)
    reads: list[int] = []
    read = log.read

    async def watched(*arguments: Any, after: int, limit: int) -> Any:
        reads.append(after)
        return await read(*arguments, after=after, limit=limit)

    log.read = watched  # type: ignore[method-assign,assignment]
    async with running((second := a_notary(log, checkpoints)).run()):
        await eventually(lambda: second.size == 11)

    assert await sizes(checkpoints) == [4, 8, 11]
    assert min(reads) == 4
    log.read = read  # type: ignore[method-assign]
    assert (await checkpoints.read(after=8, limit=1))[0].root == await root(log, 11)


async def test_two_at_once_make_no_fork(
    log: MemoryEventStore, checkpoints: MemoryCheckpointStore
) -> None:
    both = a_notary(log, checkpoints), a_notary(log, checkpoints, poll_seconds=0.013)
    async with running(*(one.run() for one in both)):
        for _ in range(12):
            await appended(log, 3)
            await asyncio.sleep(0.02)
        await eventually(lambda: both[0].size == both[1].size == 36)

    assert [one.stopped_because for one in both] == [None, None]
    for one in await checkpoints.read(limit=99):
        assert one.root == await root(log, one.size)


async def test_a_standby_takes_over(
    log: MemoryEventStore, checkpoints: MemoryCheckpointStore
) -> None:
    leadership = MemoryLeadership()
    first, second = (a_notary(log, checkpoints, leadership=leadership) for _ in range(2))
    async with running(second.run()):
        await eventually(lambda: second.is_leader)
        async with running(first.run()):
            await appended(log, 4)
            await eventually(lambda: second.size == 4)
            assert not first.is_leader


async def test_another_root_at_a_size_stops_it_aloud(
    log: MemoryEventStore, checkpoints: MemoryCheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with running((notary := a_notary(log, checkpoints)).run()):
        await eventually(lambda: notary.is_leader)
        forged = Frontier()
        for _ in range(4):
            forged.append(bytes(32))
        note = SIGNER.sign(4, forged.root())
        await checkpoints.add(4, forged.root(), bytes(128), b"".join(forged.peaks), note)
        await appended(log, 4)
        await eventually(lambda: notary.stopped_because is not None)

    assert "another root" in caplog.text
    assert not notary.is_leader


@pytest.mark.parametrize(
    "forged", [{"note": OTHER.sign(4, bytes(32))}, {"peaks": bytes(32)}, {"root": bytes(32)},
               {"size": 5}, {"peaks": b""}],
)  # fmt: skip
async def test_it_does_not_go_on_from_what_it_cannot_believe(
    log: MemoryEventStore, checkpoints: MemoryCheckpointStore, forged: dict[str, Any]
) -> None:
    await appended(log, 4)
    async with running((first := a_notary(log, checkpoints)).run()):
        await eventually(lambda: first.size == 4)
    changed = msgspec.structs.replace(checkpoints._kept.pop(4), **forged)
    checkpoints._kept[changed.size] = changed
    await appended(log, 4)

    async with running((second := a_notary(log, checkpoints)).run()):
        await eventually(lambda: second.stopped_because is not None)

    assert await sizes(checkpoints) == [changed.size]


async def test_it_notices_that_its_checkpoints_are_gone(
    log: MemoryEventStore, checkpoints: MemoryCheckpointStore
) -> None:
    await appended(log, 8)
    leadership = MemoryLeadership()
    notary = a_notary(log, checkpoints, leadership=leadership)
    async with running(notary.run()):
        await eventually(lambda: notary.size == 8)
    del checkpoints._kept[8]

    async with running(notary.run()):
        await eventually(lambda: notary.stopped_because is not None)

    assert notary.stopped_because is not None
    assert "8 events is gone" in notary.stopped_because.message


async def test_a_new_key_goes_on_from_what_the_old_one_signed(
    log: MemoryEventStore, checkpoints: MemoryCheckpointStore
) -> None:
    await appended(log, 4)
    async with running((first := a_notary(log, checkpoints, OTHER)).run()):
        await eventually(lambda: first.size == 4)
    await appended(log, 4)

    async with running((second := a_notary(log, checkpoints, known=[OTHER.public])).run()):
        await eventually(lambda: second.size == 8)

    keys = SIGNER.public, OTHER.public
    assert [opened(one.note, keys).size for one in await checkpoints.read(limit=9)] == [4, 8]


async def test_a_database_that_is_away_is_waited_for(
    log: MemoryEventStore, checkpoints: MemoryCheckpointStore
) -> None:
    add, failures = checkpoints.add, iter([True, True])

    async def away(*arguments: Any) -> bool:
        if next(failures, False):
            raise Unavailable("away")
        return await add(*arguments)

    checkpoints.add = away  # type: ignore[method-assign]
    await appended(log, 7)
    async with running((notary := a_notary(log, checkpoints)).run()):
        await eventually(lambda: notary.size == 7)

    assert await sizes(checkpoints) == [4, 7]


async def test_a_hole_stops_it(log: MemoryEventStore, checkpoints: MemoryCheckpointStore) -> None:
    await appended(log, 3)
    del log._events[1]

    async with running((notary := a_notary(log, checkpoints)).run()):
        await eventually(lambda: notary.stopped_because is not None)

    assert await sizes(checkpoints) == []
