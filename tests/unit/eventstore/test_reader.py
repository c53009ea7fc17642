"""The log as readers see it."""

from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from aigestion.eventstore.memory import MemoryEventStore
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import UnknownEvent
from aigestion.kernel.ids import new_id
from aigestion.kernel.query import matching
from tests.unit.eventstore.log_border import CONVERSATION, Border, chat


async def test_it_reads_opened_events_in_order(tmp_path: Path) -> None:
    border, store = Border(tmp_path), MemoryEventStore()
    reader = LogReader(store, border.codec)
    for text in ("one", "two", "three"):
        await store.append([await border.seal(chat(text), event_id=new_id())])

    texts = [(one.position, one.data.text) for one in await reader.read(after=1)]

    assert texts == [(2, "two"), (3, "three")]
    assert [one.position for one in await reader.read(limit=1)] == [1]
    assert await reader.head() == 3


async def test_a_query_is_asked_of_one_tenant(tmp_path: Path) -> None:
    border, store = Border(tmp_path), MemoryEventStore()
    reader = LogReader(store, border.codec)
    await store.append([await border.seal(chat("one"))])
    ours = matching(f"conversation:{CONVERSATION}")
    absent = matching(f"conversation:{UUID(int=9)}")

    assert len(await reader.read(ours.scoped("demo"))) == 1
    assert await reader.read(ours.scoped("other")) == []
    assert await reader.read(absent.scoped("demo")) == []


async def test_what_cannot_be_opened_stops_the_reader(tmp_path: Path) -> None:
    border, store = Border(tmp_path), MemoryEventStore()
    sealed = await border.seal(chat("one"))

    await store.append([msgspec.structs.replace(sealed, schema_version=9)])

    with pytest.raises(UnknownEvent):
        await LogReader(store, border.codec).read()
