"""The bridge to the `eventsourcing` library, judged by that library's own recorder tests."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.dcb.tests import DCBRecorderTestCase
from eventsourcing.persistence import IntegrityError, OperationalError, ProgrammingError

from aigestion.eventstore.dcb_bridge import AIGestionDCBRecorder, WakingEventStore, looping_thread
from aigestion.eventstore.memory import MemoryEventStore
from aigestion.eventstore.postgres import PostgresEventStore
from tests.support.log import migrated

Recorders = Callable[[str], AIGestionDCBRecorder]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with looping_thread() as loop:
        yield loop


@pytest.fixture
def memory_log() -> WakingEventStore:
    return MemoryEventStore()


@pytest.fixture
def postgres_log(
    database_url: str, loop: asyncio.AbstractEventLoop
) -> Iterator[PostgresEventStore]:
    async def opened() -> tuple[asyncpg.Pool, PostgresEventStore]:
        url = await migrated(database_url)
        pool = await asyncpg.create_pool(url, min_size=1, max_size=4)
        store = PostgresEventStore(pool, url)
        await store.start()
        return pool, store

    async def closed() -> None:
        await store.close()
        await pool.close()

    pool, store = asyncio.run_coroutine_threadsafe(opened(), loop).result(30)
    yield store
    asyncio.run_coroutine_threadsafe(closed(), loop).result(30)


@pytest.fixture(params=["memory", "postgres"])
def recorder_of(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> Recorders:
    store = request.getfixturevalue(f"{request.param}_log")
    return lambda tenant: AIGestionDCBRecorder(store, loop, tenant=tenant)


@pytest.fixture
def recorder(recorder_of: Recorders) -> AIGestionDCBRecorder:
    return recorder_of("demo")


def test_the_librarys_append_and_read_test_passes(recorder: AIGestionDCBRecorder) -> None:
    DCBRecorderTestCase()._test_append_read(recorder)


def test_the_librarys_append_and_read_test_passes_on_a_log_that_is_not_empty(
    recorder: AIGestionDCBRecorder,
) -> None:
    recorder.append([DCBEvent("earlier", b"1"), DCBEvent("earlier", b"2")])

    DCBRecorderTestCase()._test_append_read(recorder, initial_position=2)


def test_the_librarys_subscription_test_passes(recorder: AIGestionDCBRecorder) -> None:
    DCBRecorderTestCase()._test_append_subscribe(recorder)


def test_data_is_any_bytes(recorder: AIGestionDCBRecorder) -> None:
    data = bytes(range(256)) * 300

    recorder.append([DCBEvent("a", data), DCBEvent("b", b"")])

    assert [one.event.data for one in recorder.read()] == [data, b""]


def test_a_recorder_sees_its_tenant_only(recorder_of: Recorders) -> None:
    here, there = recorder_of("demo"), recorder_of("other")
    here.append([DCBEvent("a", b"", ["x:1"])])

    there.append(
        [DCBEvent("b", b"", ["x:1"])],
        DCBAppendCondition(DCBQuery([DCBQueryItem(tags=["x:1"])])),
    )

    assert [one.event.type for one in here.read()] == ["a"]
    assert [one.event.type for one in there.read()] == ["b"]


def test_of_many_threads_on_one_condition_exactly_one_passes(
    recorder: AIGestionDCBRecorder,
) -> None:
    once = DCBAppendCondition(DCBQuery([DCBQueryItem(tags=["email:ana"])]))

    def register(_: int) -> bool:
        try:
            recorder.append([DCBEvent("registered", b"", ["email:ana"])], once)
        except IntegrityError:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(register, range(64))) == 1


def test_a_subscription_misses_nothing_of_concurrent_appends(
    recorder: AIGestionDCBRecorder,
) -> None:
    with recorder.subscribe() as subscription, ThreadPoolExecutor(8) as threads:
        appending = [threads.submit(recorder.append, [DCBEvent("a", b"")]) for _ in range(400)]

        seen = [next(subscription).position for _ in range(400)]

        assert seen == list(range(1, 401))
        assert sorted(one.result() for one in appending) == seen


def test_a_subscription_hears_of_other_processes(
    recorder: AIGestionDCBRecorder,
) -> None:
    with recorder.subscribe() as subscription:
        recorder.unlisten(subscription._wake)  # as if the append happened elsewhere
        threading.Timer(0.1, recorder.append, [[DCBEvent("a", b"")]]).start()

        assert next(subscription).position == 1


def test_what_the_log_refuses_is_the_librarys_error(recorder: AIGestionDCBRecorder) -> None:
    with pytest.raises(ProgrammingError):
        recorder.append([])
    with pytest.raises(ProgrammingError):
        recorder.append([DCBEvent("nul\0", b"")])


def test_a_log_that_is_closed_is_the_librarys_operational_error(
    postgres_log: PostgresEventStore, loop: asyncio.AbstractEventLoop
) -> None:
    asyncio.run_coroutine_threadsafe(postgres_log.close(), loop).result(10)

    with pytest.raises(OperationalError):
        AIGestionDCBRecorder(postgres_log, loop, tenant="demo").append([DCBEvent("a", b"")])
