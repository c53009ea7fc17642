"""Verification finds every row that is not what the log makes it, and no other."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from aigestion.kernel.errors import NotFound
from aigestion.projections.activity import activity
from aigestion.projections.memory_store import MemoryReadStore
from aigestion.projections.quarantine import MemoryQuarantine
from aigestion.projections.verify import verify
from aigestion.readstores.port import Row, View
from tests.support.history import chat, document, id_of
from tests.support.read_models import SHELF, Rig

VIEW = View("shelf", 1, 1)


async def built() -> Rig:
    rig = Rig()
    await rig.log.record_chats(5)
    await rig.log.record(document("manual", "text"))
    async with rig.running():
        await rig.caught_up()
    return rig


async def test_a_view_that_equals_the_log_is_equal() -> None:
    rig = await built()
    seen: list[tuple[int, int]] = []

    verdict = await rig.model.verify(lambda position, head, _: seen.append((position, head)))

    assert verdict.equal
    assert (verdict.view, verdict.position) == ("shelf_v1_g1", 6)
    assert verdict.expected == verdict.found
    assert verdict.expected.rows == 10
    assert verdict.first is None
    assert seen[-1] == (6, 6)


@pytest.mark.parametrize(
    ("key", "fields", "position"),
    [
        (("texts", "message 3"), {"position": 40}, 4),
        (("texts", "message 3"), None, 4),
        (("documents", str(id_of("manual"))), {"title": "Manual"}, 6),
        (("texts", "never said"), {"position": 1}, None),
    ],
)
async def test_the_first_row_that_differs_is_named(
    key: tuple[str, str], fields: dict[str, Any] | None, position: int | None
) -> None:
    rig = await built()
    assert isinstance(rig.store, MemoryReadStore)
    rows = rig.store._views[VIEW]
    expected = rows.pop(key, None)
    if fields is not None:
        rows[key] = fields

    verdict = await verify(SHELF, VIEW, rig.store, rig.log.reader, rig.quarantine)

    assert not verdict.equal
    assert verdict.differing_rows == 1
    assert verdict.expected != verdict.found
    assert verdict.first is not None
    assert (verdict.first.collection, verdict.first.key) == key
    assert (verdict.first.position, verdict.first.expected) == (position, expected)
    assert verdict.first.found == fields


async def test_of_several_the_one_touched_first_is_named() -> None:
    rig = await built()
    assert isinstance(rig.store, MemoryReadStore)
    rows = rig.store._views[VIEW]
    rows["extra", "a row"] = {"a": 1}
    rows["last", "text"] = {"text": "?"}
    del rows["texts", "message 1"]

    verdict = await verify(SHELF, VIEW, rig.store, rig.log.reader, rig.quarantine)

    assert verdict.differing_rows == 3
    assert verdict.first is not None
    assert (verdict.first.key, verdict.first.position) == ("message 1", 2)


async def test_a_moving_view_is_not_accused() -> None:
    rig = Rig()
    await rig.broker.create(1)
    await rig.record(*(chat(f"message {n}") for n in range(5)))

    class Moving(MemoryReadStore):
        """Every row is read a little later than the one before."""

        async def rows(self, view: View) -> AsyncIterator[Row]:
            for key in list(self._views[view]):
                await rig.record(*(chat(f"message {n}") for n in range(3)))
                await asyncio.sleep(0.01)
                if key in self._views[view]:
                    yield Row(*key, dict(self._views[view][key]))

    moving = Moving()
    moving._views, moving._checkpoints = rig.store._views, rig.store._checkpoints  # type: ignore[attr-defined]
    async with rig.running():
        await rig.caught_up()

        verdict = await verify(SHELF, VIEW, moving, rig.log.reader, rig.quarantine)

        assert verdict.equal
        assert verdict.expected != verdict.found, "or nothing moved"
        await rig.caught_up()
        moving._views[VIEW]["texts", "message 4"] = {"position": 0}
        assert not (await verify(SHELF, VIEW, moving, rig.log.reader, rig.quarantine)).equal


async def test_an_effect_that_is_not_yet_accounted_for_is_not_accused() -> None:
    rig = await built()
    assert isinstance(rig.store, MemoryReadStore)
    await rig.log.record(chat("effect without checkpoint"))
    for change in SHELF.project((await rig.log.reader.read(after=6))[0]):
        rig.store._change(rig.store._views[VIEW], change)

    assert (await verify(SHELF, VIEW, rig.store, rig.log.reader, rig.quarantine)).equal


async def test_a_view_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        await verify(SHELF, VIEW, MemoryReadStore(), Rig().log.reader, MemoryQuarantine())


async def test_rows_whose_time_is_over_may_be_missing_and_younger_ones_may_not() -> None:
    rig = Rig(projection=activity)
    await rig.log.record_chats(6)
    async with rig.running():
        view = await rig.caught_up()
    assert isinstance(rig.store, MemoryReadStore)
    rows = rig.store._views[view]
    oldest = min(rows, key=lambda key: rows[key]["position"])
    rig.store.kept_since = rows[oldest]["occurred_at"] + timedelta(microseconds=1)
    del rows[oldest]

    assert (await rig.model.verify()).differing_rows == 0

    rig.store.kept_since = None
    verdict = await rig.model.verify()
    assert verdict.differing_rows == 1
    assert verdict.first is not None
    assert verdict.first.key == oldest[1]
