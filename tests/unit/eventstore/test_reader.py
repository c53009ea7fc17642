"""The log as readers see it."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from aigestion.eventstore.memory import MemoryEventStore
from aigestion.eventstore.port import SequencedEvent
from aigestion.eventstore.reader import LogReader, Page
from aigestion.kernel.errors import Corrupt, UnknownEvent
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


async def test_a_page_opens_what_is_asked_for_and_passes_over_the_rest(tmp_path: Path) -> None:
    border, store = Border(tmp_path), MemoryEventStore()
    reader = LogReader(store, border.codec)
    for text in ("one", "two", "three"):
        await store.append([await border.seal(chat(text), event_id=new_id())])

    full = await _pages(reader, 0, 3)
    asked_for = await _pages(reader, 0, 2, {"user.action"})
    end = await _pages(reader, 3, 2)

    assert [event.data.text for event in full[0].events] == ["one", "two", "three"]
    assert [(page.last, page.is_full) for page in full] == [(3, True), (3, False)]
    assert [(page.events, page.last) for page in asked_for] == [([], 2), ([], 3)]
    assert [(page.events, page.last, page.is_full) for page in end] == [([], 3, False)]


async def test_pages_end_where_they_are_told_to(tmp_path: Path) -> None:
    border, store = Border(tmp_path), MemoryEventStore()
    reader = LogReader(store, border.codec)
    for text in ("one", "two", "three"):
        await store.append([await border.seal(chat(text), event_id=new_id())])

    assert [page.last for page in await _pages(reader, 0, 2, upto=3)] == [2, 3]
    assert [page.last for page in await _pages(reader, 0, 2, upto=2)] == [2]
    assert await _pages(reader, 2, 2, upto=2) == []
    with pytest.raises(Corrupt) as short:
        await _pages(reader, 0, 2, upto=4)

    assert short.value.details["position"] == 4


async def test_the_next_page_is_read_while_one_is_worked_on_and_not_when_nobody_wants_it(
    tmp_path: Path,
) -> None:
    border, reads = Border(tmp_path), list[int]()
    cancelled = asyncio.Event()

    class Observed(MemoryEventStore):
        async def read(self, *arguments: Any, **options: Any) -> list[SequencedEvent]:
            reads.append(options["after"])
            if options["after"] == 1:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    cancelled.set()
                    raise
            return await super().read(*arguments, **options)

    store = Observed()
    for text in ("one", "two"):
        await store.append([await border.seal(chat(text), event_id=new_id())])

    async with aclosing(LogReader(store, border.codec).pages(0, 1)) as pages:
        await anext(pages)
        await asyncio.sleep(0)
        meanwhile = list(reads)

    assert meanwhile == [0, 1]
    assert cancelled.is_set()


async def test_a_page_stops_at_an_unknown_event_even_of_a_type_nobody_asked_for(
    tmp_path: Path,
) -> None:
    border, store = Border(tmp_path), MemoryEventStore()
    sealed = await border.seal(chat("one"))
    await store.append([msgspec.structs.replace(sealed, schema_version=9)])

    with pytest.raises(UnknownEvent) as stopped:
        await _pages(LogReader(store, border.codec), 0, 1, {"user.action"})

    assert stopped.value.details["position"] == 1


async def test_a_page_has_no_hole(tmp_path: Path) -> None:
    border = Border(tmp_path)

    class Holed(MemoryEventStore):
        async def read(self, *arguments: Any, **options: Any) -> list[SequencedEvent]:
            return [one for one in await super().read(*arguments, **options) if one.position != 2]

    store = Holed()
    for text in ("one", "two", "three"):
        await store.append([await border.seal(chat(text), event_id=new_id())])

    with pytest.raises(Corrupt) as hole:
        await _pages(LogReader(store, border.codec), 0, 3)

    assert hole.value.details["position"] == 2


async def _pages(reader: LogReader, *arguments: Any, **options: Any) -> list[Page]:
    return [page async for page in reader.pages(*arguments, **options)]
