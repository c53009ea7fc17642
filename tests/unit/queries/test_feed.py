"""The log as a feed: one tenant's events and nobody else's."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aigestion.events.catalog import Catalog
from aigestion.events.event import Event
from aigestion.events.recorded import Recorded
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.memory import MemoryBlobStore, MemoryEventStore, MemoryKeyTable
from aigestion.eventstore.reader import LogReader
from aigestion.eventstore.vault import Vault
from aigestion.kernel.context import Context
from aigestion.kernel.errors import InvalidInput, NotFound, ViewBehind
from aigestion.kernel.ids import new_id
from aigestion.queries import feed as feed_module
from aigestion.queries.feed import FeedQueries
from tests.support.history import chat, document, id_of, started


class Log:
    """A log in memory, and the feed over it."""

    def __init__(self, directory: Path) -> None:
        vault = Vault(MemoryKeyTable(), FileMasterKey(directory / "master.key"))
        self.store = MemoryEventStore()
        self.codec = Codec(Catalog(), vault, MemoryBlobStore())
        self.feed = FeedQueries(LogReader(self.store, self.codec))

    async def happened(self, *events: Event, tenant: str = "demo") -> None:
        context = Context(tenant=tenant, actor="system")
        for event in events:
            sealed = await self.codec.seal(
                event, context, event_id=new_id(), occurred_at=datetime.now(UTC)
            )
            await self.store.append([sealed])


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def positions(events: Sequence[Recorded[Any]]) -> list[int]:
    return [event.position for event in events]


async def test_it_goes_on_after_a_position_in_order(log: Log) -> None:
    await log.happened(started(), chat("one"), chat("two"), chat("three"))

    answer = await log.feed.feed("demo", after=1, limit=2)

    assert answer.position == 4
    assert positions(answer.data) == [2, 3]
    assert [event.data.text for event in answer.data] == ["one", "two"]


async def test_it_is_limited_to_types_and_a_tag(log: Log) -> None:
    await log.happened(started("a"), started("b"), chat("one", "a"), chat("two", "b"))
    await log.happened(document("d", "text"))

    by_type = await log.feed.feed("demo", after=0, types=["user.chat", "document.added"], limit=9)
    by_tag = await log.feed.feed("demo", after=0, tag=f"conversation:{id_of('a')}", limit=9)
    both = await log.feed.feed(
        "demo", after=0, types=["user.chat"], tag=f"conversation:{id_of('a')}", limit=9
    )

    assert positions(by_type.data) == [3, 4, 5]
    assert positions(by_tag.data) == [1, 3]
    assert positions(both.data) == [3]


async def test_another_tenants_events_are_not_in_it(log: Log) -> None:
    await log.happened(started(), chat("ours"))
    await log.happened(started(), chat("theirs"), tenant="acme")

    everything = await log.feed.feed("demo", after=0, limit=9)
    tagged = await log.feed.feed("demo", after=0, tag=f"conversation:{id_of('harbour')}", limit=9)

    assert positions(everything.data) == positions(tagged.data) == [1, 2]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("after", {"after": -1}),
        ("after", {"after": 2**63}),
        ("limit", {"limit": 0}),
        ("limit", {"limit": 10**9}),
        ("tag", {"tag": "conversation"}),
        ("tag", {"tag": "acme/conversation:1"}),
        ("tag", {"tag": "user:a\0b"}),
        ("tag", {"tag": "user:\ud800"}),
        ("type", {"types": ["user.chat", "x' OR"]}),
        ("type", {"types": [""]}),
    ],
)
async def test_a_bad_parameter_is_named(log: Log, field: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        await log.feed.feed("demo", **{"after": 0, "limit": 9} | wrong)

    assert [error["field"] for error in caught.value.details["errors"]] == [field]


async def test_who_has_written_waits_until_the_log_is_that_far(log: Log) -> None:
    await log.happened(started())

    waiting = asyncio.create_task(log.feed.feed("demo", after=0, limit=9, min_position=2))
    await asyncio.sleep(0.01)
    await log.happened(chat("one"))

    assert (await waiting).position == 2


async def test_a_position_that_nobody_writes_is_not_waited_for_for_ever(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "WAIT_SECONDS_MAX", 0.05)
    await log.happened(started())

    with pytest.raises(ViewBehind) as caught:
        await log.feed.feed("demo", after=0, limit=9, min_position=2)

    assert caught.value.details["position"] == 1
    assert caught.value.details["retry_after_seconds"] == 1


async def test_one_event_is_found_by_its_id_and_by_nobody_else(log: Log) -> None:
    await log.happened(started(), chat("one"), chat("two"))
    stored = (await log.store.read(after=1, limit=1))[0].event

    answer = await log.feed.event("demo", stored.id)

    assert (answer.position, answer.data.position, answer.data.data.text) == (3, 2, "one")
    for tenant, event_id in (("other", stored.id), ("demo", new_id())):
        with pytest.raises(NotFound):
            await log.feed.event(tenant, event_id)
