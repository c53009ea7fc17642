"""A fold holds the rows of any log, in memory that does not grow with it."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigestion.events.recorded import Recorded
from aigestion.projections import folded_rows as limits
from aigestion.projections.fingerprint import canonical
from aigestion.projections.fold import Fold
from aigestion.projections.keys import by_event
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.projection import Projection
from aigestion.readstores.port import Change, Delete, DeleteWhere, Put, Row, View
from tests.support.history import BEGINNING, History, chat
from tests.support.read_models import SHELF, in_order

VIEW = View("shelf", 1, 1)
COLLECTIONS = st.sampled_from(["texts", "pages"])
KEYS = st.sampled_from([f"key {n}" for n in range(12)])
FIELDS = st.sampled_from(["color", "size", "at"])
VALUES = st.sampled_from(["red", "blue", None])
CHANGES = st.one_of(
    st.builds(Put, COLLECTIONS, KEYS, st.dictionaries(FIELDS, VALUES, max_size=3)),
    st.builds(Put, COLLECTIONS, KEYS, st.just({"at": BEGINNING, "size": 3})),
    st.builds(Delete, COLLECTIONS, KEYS),
    st.builds(DeleteWhere, COLLECTIONS, FIELDS, VALUES),
)


@pytest.fixture(scope="module", autouse=True)
def crowded() -> Iterable[None]:
    """Three rows fill the memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "ROWS_IN_MEMORY_MAX", 3)
        patch.setattr(limits, "ROWS_MOVED_AT_ONCE_MAX", 2)
        yield


def fold_of(changes: Sequence[Sequence[Change]]) -> Fold:
    """Each event brings some changes."""
    history = History()

    def project(event: Recorded[Any]) -> Sequence[Change]:
        return changes[event.position - 1]

    fold = Fold(replace(SHELF, project=project))
    for n in range(len(changes)):
        fold.apply(history.happened(chat(str(n))))
    return fold


async def rows_of(rows: Iterable[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row


@settings(max_examples=200, deadline=None)
@given(changes=st.lists(CHANGES, max_size=40))
async def test_a_fold_has_the_rows_that_a_store_has(changes: list[Change]) -> None:
    store = MemoryReadStore()
    await store.prepare(VIEW)
    await store.apply(VIEW, changes, 1)
    rows = [row async for row in store.rows(VIEW)]

    fold = fold_of([[change] for change in changes])

    differing, found = await fold.differences(rows_of(rows))
    assert differing == {}
    assert found == fold.fingerprint
    assert len(fold) == len(rows)
    assert list(map(canonical, in_order(list(fold.rows())))) == list(map(canonical, in_order(rows)))


@settings(max_examples=100, deadline=None)
@given(
    changes=st.lists(CHANGES, min_size=5, max_size=40), spoilt=st.data(), new_value=st.booleans()
)
async def test_every_row_that_differs_is_found(
    changes: list[Change], spoilt: st.DataObject, new_value: bool
) -> None:
    fold = fold_of([[change] for change in changes])
    rows = {(row.collection, row.key): row for row in fold.rows()}
    keys = spoilt.draw(st.sets(st.sampled_from(sorted(rows)))) if rows else set()
    for key in keys:
        if new_value:
            rows[key] = Row(*key, {"color": "green"})
        else:
            del rows[key]
    rows["texts", "nobody put it"] = Row("texts", "nobody put it", {})

    differing, found = await fold.differences(rows_of(rows.values()))

    assert set(differing) == {*keys, ("texts", "nobody put it")}
    assert found != fold.fingerprint


async def test_a_row_that_differs_is_described_though_it_went_to_disk() -> None:
    fold = fold_of([[Put("texts", f"key {n}", {"n": n})] for n in range(9)])
    found = Row("texts", "key 0", {"n": 7})

    difference = fold.difference(("texts", "key 0"), found)

    assert (difference.position, difference.expected, difference.found) == (1, {"n": 0}, {"n": 7})
    assert fold.difference(("texts", "never"), None).position is None


async def test_a_deleted_row_is_remembered_with_the_event_that_deleted_it() -> None:
    fold = fold_of(
        [[Put("texts", f"key {n}", {"n": n})] for n in range(9)] + [[Delete("texts", "key 0")]]
    )

    assert fold.row(("texts", "key 0")) is None
    assert fold.difference(("texts", "key 0"), None).position == 10


@pytest.mark.parametrize("looked_up", ["before", "afterwards"])
async def test_rows_on_disk_are_deleted_by_value_too(looked_up: str) -> None:
    first: list[list[Change]] = [[DeleteWhere("texts", "color", "red")]]
    puts: list[list[Change]] = [
        [Put("texts", f"key {n}", {"color": "red" if n % 2 else "blue"})] for n in range(20)
    ]
    repainted: list[list[Change]] = [[Put("texts", "key 1", {"color": "blue"})]]

    fold = fold_of([*(first if looked_up == "before" else []), *puts, *repainted, *first])

    left = {row.key for row in fold.rows()}
    assert left == {"key 1", *(f"key {n}" for n in range(0, 20, 2))}


async def test_memory_holds_so_many_rows_and_no_more() -> None:
    fold = fold_of([[Put("texts", f"key {n}", {"n": n})] for n in range(100)])

    assert len(fold._rows._recent) <= limits.ROWS_IN_MEMORY_MAX
    assert len(fold) == 100


async def test_long_texts_leave_the_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROWS_IN_MEMORY_MAX", 1_000)
    monkeypatch.setattr(limits, "CHARS_IN_MEMORY_MAX", 1_000)

    fold = fold_of([[Put("texts", f"key {n}", {"text": "x" * 100})] for n in range(50)])

    assert fold._rows._chars <= limits.CHARS_IN_MEMORY_MAX
    assert len(list(fold.rows())) == 50


def test_what_a_projection_does_not_read_only_moves_the_position() -> None:
    fold = Fold(
        Projection(
            name="shelf",
            version=1,
            store="lists",
            collections=(),
            reads=(),
            key=by_event,
            project=lambda event: [Put("texts", event.type, {})],
        )
    )

    assert fold.apply(History().happened(chat("unheard"))) == []
    fold.passes(7)

    assert (fold.position, len(fold)) == (7, 0)
    assert msgspec.to_builtins(fold.fingerprint) == {"rows": 0, "digest": "0" * 32}
