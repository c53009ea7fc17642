"""What a batch of changes comes to: the documents to write, each once, as they are in the end."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from aigestion.kernel.errors import Misconfigured
from aigestion.readstores.elasticsearch.collections import Collection, as_stored
from aigestion.readstores.port import Change, Delete, DeleteWhere, Put

ROWS_MAX = 20_000
"""So many rows are remembered between two refreshes."""

Lookups: TypeAlias = dict[tuple[str, str], defaultdict[Any, list[str]]]
"""By collection and field: the values that rows are to be deleted by, and the keys found for each."""
Touched: TypeAlias = dict[str, bytes | None]
"""By key: the document to be; None for a row that is not to be."""


class Recent:
    """The rows of a view that were written since its last refresh, by what they can be deleted by.

    A search may not find them yet, or as they were: with these, deleting by value needs no refresh.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Mapping[str, Any] | None] = {}
        self._keys: dict[tuple[str, str], defaultdict[Any, set[str]]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, collection: str, key: str, fields: Mapping[str, Any] | None) -> None:
        """Remember a row; None: that it was deleted."""
        before = self._rows.get((collection, key))
        self._rows[collection, key] = fields
        for (of, field), keys in self._keys.items():
            if of == collection:
                if before is not None:
                    keys[before[field]].discard(key)
                if fields is not None:
                    keys[fields[field]].add(key)

    def knows(self, collection: str, key: str) -> bool:
        """Whether what a search finds of this row is out of date."""
        return (collection, key) in self._rows

    def keys(self, collection: str, field: str, value: Any) -> list[str]:
        """Of the rows here that have this value."""
        keys = self._keys.get((collection, field))
        if keys is None:
            keys = self._keys[collection, field] = defaultdict(set)
            for (of, key), fields in self._rows.items():
                if of == collection and fields is not None:
                    keys[fields[field]].add(key)
        return list(keys.get(value, ()))


def wanted(changes: Iterable[Change], collections: Mapping[str, Collection]) -> Lookups:
    """What has to be looked up for these changes, nothing found yet."""
    lookups: Lookups = {}
    for change in changes:
        if isinstance(change, DeleteWhere):
            name, field = change.collection, change.field
            if field not in _named(collections, name).looked_up:
                raise Misconfigured(f"Rows of {name} cannot be deleted by {field}.")
            lookups.setdefault((name, field), defaultdict(list))[as_stored(change.value)] = []
    return lookups


def touched(
    changes: Iterable[Change],
    collections: Mapping[str, Collection],
    lookups: Lookups,
    recent: Recent | None,
) -> dict[str, Touched]:
    """By collection: what to write, so that the outcome is that of the changes in their order.

    A row that is put and deleted is written too, as deleted: somebody late may still put it. `recent`
    is there if there are lookups; it is moved on. Raises `ChangeRejected`, and nothing was written.
    """
    rows: defaultdict[str, Touched] = defaultdict(dict)
    for change in changes:
        collection = _named(collections, change.collection)
        match change:
            case Put(name, key):
                rows[name][key] = collection.document(change)
                if recent is not None:
                    recent.put(name, key, collection.key_fields(change))
            case Delete(name, key):
                rows[name][key] = None
                if recent is not None:
                    recent.put(name, key, None)
            case DeleteWhere(name, field, value):
                assert recent is not None
                stored = as_stored(value)
                found = [key for key in lookups[name, field][stored] if not recent.knows(name, key)]
                for key in (*found, *recent.keys(name, field, stored)):
                    rows[name][key] = None
                    recent.put(name, key, None)
    return rows


def _named(collections: Mapping[str, Collection], name: str) -> Collection:
    if name not in collections:
        raise Misconfigured(f"There is no collection {name} in Elasticsearch.")
    return collections[name]
