"""Changes, put together so that many rows travel at once and the outcome stays the same."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from aigestion.readstores.port import Change, Delete, DeleteWhere, Put


class Puts(msgspec.Struct):
    """Rows that are put one after the other: later fields of a key overwrite earlier ones."""

    rows: dict[str, Mapping[str, Any]]


class Deletes(msgspec.Struct):
    keys: list[str]


class DeletesWhere(msgspec.Struct):
    field: str
    value: Any


Batch: TypeAlias = Puts | Deletes | DeletesWhere


def batches(changes: Iterable[Change]) -> Iterator[tuple[str, Batch]]:
    """(collection, batch) in an order with the same outcome: that of each collection is kept."""
    collections: dict[str, list[Batch]] = {}
    for change in changes:
        _add(change, collections.setdefault(change.collection, []))
    for collection, found in collections.items():
        for batch in found:
            yield collection, batch


def _add(change: Change, found: list[Batch]) -> None:
    last = found[-1] if found else None
    match change:
        case Put():
            if not isinstance(last, Puts):
                last = Puts({})
                found.append(last)
            row = last.rows.get(change.key)
            last.rows[change.key] = change.fields if row is None else {**row, **change.fields}
        case Delete():
            if not isinstance(last, Deletes):
                last = Deletes([])
                found.append(last)
            last.keys.append(change.key)
        case DeleteWhere():
            found.append(DeletesWhere(change.field, change.value))
