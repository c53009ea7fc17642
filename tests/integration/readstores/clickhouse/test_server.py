"""A ClickHouse server: refused at start with what to do, forgiven when it comes back."""

import asyncio
import http.server
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from aigestion.kernel.errors import Misconfigured, Unavailable
from aigestion.projections.activity import activity
from aigestion.readstores.clickhouse.http import VERSION_MIN, ClickHouseServer
from aigestion.readstores.clickhouse.store import ClickHouseReadStore
from aigestion.readstores.port import Change, View
from tests.support.certificates import certificates
from tests.support.clickhouse_process import ClickHouseProcess
from tests.support.engines import free_port
from tests.support.history import History, chat

VIEW = View(activity.name, activity.version, 1)
PASSWORD = "s3:c/r@t ñ"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    """A server with a user and a password."""
    path = tmp_path_factory.mktemp("guarded")
    with ClickHouseProcess(path, user="aigestion", password=PASSWORD) as server:
        yield server


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ClickHouseProcess]:
    """A server that nobody minds being killed."""
    with ClickHouseProcess(tmp_path / "own") as server:
        yield server


@asynccontextmanager
async def connected(url: str, **options: str) -> AsyncIterator[ClickHouseReadStore]:
    async with ClickHouseReadStore.connect(url, namespace="own", **options) as store:  # type: ignore[arg-type]
        yield store


async def refusal(url: str, **options: str) -> str:
    """What is said to whoever configured it."""
    with pytest.raises(Misconfigured) as refused:
        async with connected(url, **options):
            pass
    assert "s3" not in refused.value.message
    return refused.value.message


def said(text: str = "hello", events: int = 1) -> tuple[list[Change], int]:
    """What so many events change, and the position of the last."""
    history = History()
    happened = [history.happened(chat(text)) for _ in range(events)]
    return [change for one in happened for change in activity.project(one)], history.head


async def test_user_and_password_are_taken_from_the_url(guarded: ClickHouseProcess) -> None:
    async with connected(guarded.url) as store:
        await store.ping()


async def test_a_wrong_password_is_refused_with_what_to_do(guarded: ClickHouseProcess) -> None:
    message = await refusal(f"http://aigestion:s3wrong@127.0.0.1:{guarded.port}")

    assert "user" in message
    assert "password" in message


async def test_nobody_at_the_port_is_unavailable_and_names_the_port() -> None:
    port = free_port()

    with pytest.raises(Unavailable, match=f"127.0.0.1:{port}.*HTTP port") as refused:
        async with connected(f"http://127.0.0.1:{port}"):
            pass

    assert refused.value.details == {"engine": "clickhouse"}


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8123",
        "clickhouse://127.0.0.1:9000",
        "http://",
        "http://127.0.0.1:many",
        "http://127.0.0.1:8123/?user=u",
        "",
    ],
)
async def test_a_bad_url_is_refused_with_an_example(url: str) -> None:
    assert "https://user:password@host:8443" in await refusal(url)


async def test_a_certificate_is_trusted_only_by_name(tmp_path: Path) -> None:
    files = certificates(tmp_path)
    with ClickHouseProcess(tmp_path / "tls", certificates=files) as server:
        message = await refusal(server.url)
        async with ClickHouseReadStore.connect(
            server.url, namespace="own", ca_file=files.ca
        ) as store:
            await store.ping()

    assert "certificate" in message


async def test_something_else_at_the_port_is_refused() -> None:
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), http.server.BaseHTTPRequestHandler
    ) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        message = await refusal(f"http://127.0.0.1:{other.server_port}")
        other.shutdown()

    assert "not the HTTP interface of a ClickHouse" in message


async def test_a_missing_database_is_refused(clickhouse_server: ClickHouseProcess) -> None:
    assert "no database absent" in await refusal(f"{clickhouse_server.url}/absent")


async def test_a_server_that_is_too_old_is_refused(tmp_path: Path) -> None:
    with ClickHouseProcess(tmp_path / "old", version="23.8.16.40") as old:
        message = await refusal(old.url)

    least = ".".join(map(str, VERSION_MIN))
    assert message == f"ClickHouse 23.8.16.40 is too old: {least} or later is needed."


async def test_a_cluster_the_server_does_not_know_is_refused(
    clickhouse_server: ClickHouseProcess,
) -> None:
    assert "0 shards of a cluster absent" in await refusal(clickhouse_server.url, cluster="absent")


async def test_two_logs_on_one_server_do_not_disturb_each_other(
    clickhouse_server: ClickHouseProcess,
) -> None:
    url = clickhouse_server.url
    async with (
        ClickHouseReadStore.connect(url, namespace="left") as left,
        ClickHouseReadStore.connect(url, namespace="right") as right,
    ):
        for store, text in ((left, "from the left"), (right, "from the right")):
            changes, head = said(text)
            await store.prepare(VIEW)
            await store.apply(VIEW, changes, head)

        await left.drop(VIEW)

        assert await left.checkpoint(VIEW) is None
        assert [row.fields["excerpt"] async for row in right.rows(VIEW)] == ["from the right"]
        statement = "SELECT excerpt FROM {activity}.activity FINAL"
        assert list(await right.query(statement, [VIEW], {})) == [("from the right",)]


async def test_a_server_that_was_killed_and_came_back_is_used_again(own: ClickHouseProcess) -> None:
    changes, head = said(events=3_000)
    async with connected(own.url) as store:
        await store.prepare(VIEW)
        await store.apply(VIEW, changes[:1_000], 1_000)

        own.kill()
        for attempt in (store.apply(VIEW, changes, head), store.ping()):
            with pytest.raises(Unavailable) as gone:
                await attempt
            assert gone.value.details == {"engine": "clickhouse"}

        own.start()
        assert await store.checkpoint(VIEW) == 1_000
        await store.apply(VIEW, changes[1_000:], head)
        assert len([row async for row in store.rows(VIEW)]) == head


async def test_a_server_killed_in_the_middle_of_work_loses_nothing_it_acknowledged(
    own: ClickHouseProcess,
) -> None:
    changes, head = said(events=5_000)
    acknowledged = 0

    async def write() -> None:
        nonlocal acknowledged
        for end in range(100, head + 1, 100):
            await store.apply(VIEW, changes[end - 100 : end], end)
            acknowledged = end

    async with connected(own.url) as store:
        await store.prepare(VIEW)
        writing = asyncio.create_task(write())
        while acknowledged < 300:
            await asyncio.sleep(0.005)
        own.kill()
        with pytest.raises(Unavailable):
            await writing

        own.start()
        checkpoint = await store.checkpoint(VIEW)
        assert checkpoint is not None
        assert acknowledged <= checkpoint <= acknowledged + 100
        positions = sorted([row.fields["position"] async for row in store.rows(VIEW)])
        assert positions[:checkpoint] == list(range(1, checkpoint + 1))

        await store.apply(VIEW, changes[checkpoint:], head)
        assert len([row async for row in store.rows(VIEW)]) == head


async def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(
    own: ClickHouseProcess,
) -> None:
    statement = "SELECT number, randomPrintableASCII(200) FROM numbers(400000)"
    async with ClickHouseServer.connect(own.url) as engine:
        blocks = engine.blocks(statement)
        await anext(blocks)

        own.kill()

        with pytest.raises(Unavailable):
            [len(block) async for block in blocks]


async def test_what_is_older_than_the_retention_goes_when_the_view_serves(
    clickhouse_server: ClickHouseProcess,
) -> None:
    history = History()
    old = history.happened(chat("of long ago"))
    now = datetime.now(UTC)
    recent = msgspec.structs.replace(history.happened(chat("of today")), occurred_at=now)
    changes = [change for one in (old, recent) for change in activity.project(one)]
    url = clickhouse_server.url

    async with ClickHouseReadStore.connect(url, namespace="brief", retention_days=30) as store:

        async def excerpts() -> set[str]:
            await store._engine.run(f"OPTIMIZE TABLE brief_{VIEW.name}.activity FINAL")
            return {row.fields["excerpt"] async for row in store.rows(VIEW)}

        await store.prepare(VIEW)
        await store.apply(VIEW, changes, 2)
        while_it_is_built = await excerpts()
        await store.serve(VIEW)
        await store.serve(VIEW)

        assert while_it_is_built == {"of long ago", "of today"}
        assert await excerpts() == {"of today"}
        assert store.kept_since is not None
        assert old.occurred_at < store.kept_since < now
