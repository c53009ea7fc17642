"""The log as readers see it."""

from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from aigestion.eventstore.memory import MemoryEventStore
from aigestion.eventstore.port import SequencedEvent
from aigestion.eventstore.reader import LogReader
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

    whole = await reader.page(0, 3)
    nothing = await reader.page(0, 2, {"user.action"})
    end = await reader.page(3, 2)

    assert [event.data.text for event in whole.events] == ["one", "two", "three"]
    assert (whole.last, whole.is_full) == (3, True)
    assert (nothing.events, nothing.last, nothing.is_full) == ([], 2, True)
    assert (end.events, end.last, end.is_full) == ([], 3, False)


async def test_a_page_stops_at_an_unknown_event_even_of_a_type_nobody_asked_for(
    tmp_path: Path,
) -> None:
    border, store = Border(tmp_path), MemoryEventStore()
    sealed = await border.seal(chat("one"))
    await store.append([msgspec.structs.replace(sealed, schema_version=9)])

    with pytest.raises(UnknownEvent) as stopped:
        await LogReader(store, border.codec).page(0, 1, {"user.action"})

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
        await LogReader(store, border.codec).page(0, 3)

    assert hole.value.details["position"] == 2
