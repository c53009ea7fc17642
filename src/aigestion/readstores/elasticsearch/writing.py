"""What a batch of changes comes to: the documents to write, each once, as they are in the end."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from aigestion.kernel.errors import ChangeRejected, Misconfigured
from aigestion.readstores.elasticsearch.bulk import Item
from aigestion.readstores.elasticsearch.collections import (
    DELETED,
    DELETED_AT,
    Collection,
    as_stored,
)
from aigestion.readstores.elasticsearch.known import Recent
from aigestion.readstores.elasticsearch.views import NOT_DELETED
from aigestion.readstores.port import Change, Delete, DeleteWhere, Put

Lookups: TypeAlias = dict[tuple[str, str], defaultdict[Any, list[str]]]
"""By collection and field: the values that rows are to be deleted by, and the keys found for each."""
Touched: TypeAlias = dict[str, bytes | None]
"""By key: the document to be; None for a row that is not to be."""


def wanted(changes: Iterable[Change], collections: Mapping[str, Collection]) -> Lookups:
    """What has to be looked up for these changes, nothing found yet. `ChangeRejected`."""
    lookups: Lookups = {}
    for change in changes:
        if isinstance(change, DeleteWhere):
            name, field = change.collection, change.field
            if field not in _named(collections, name).looked_up:
                raise Misconfigured(f"Rows of {name} cannot be deleted by {field}.")
            try:
                value = as_stored(change.value)
            except ValueError as error:
                raise ChangeRejected(f"No row of {name} has such a {field}: {error}") from error
            lookups.setdefault((name, field), defaultdict(list))[value] = []
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
                    recent.put(change)
            case Delete(name, key):
                rows[name][key] = None
                if recent is not None:
                    recent.delete(name, key)
            case DeleteWhere(name, field, value):
                assert recent is not None
                stored, by = as_stored(value), recent.by(name, field)
                found = [key for key in lookups[name, field][stored] if key not in by.values]
                for key in (*found, *by.keys(stored)):
                    rows[name][key] = None
                    recent.delete(name, key)
    return rows


def items(documents: Touched, position: int) -> list[Item]:
    """The documents of a batch that ends at this position."""
    return [Item(key, 2 * position, as_document(document)) for key, document in documents.items()]


def as_document(document: bytes | None) -> bytes:
    """A tombstone for a row that is not to be."""
    if document is not None:
        return document
    return msgspec.json.encode({DELETED: True, DELETED_AT: int(time.time())})


def having(field: str, values: Mapping[Any, Any]) -> dict[str, Any]:
    """Finds the rows that have one of these values."""
    given = [value for value in values if value is not None]
    having: list[dict[str, Any]] = [{"terms": {field: given}}] if given else []
    if None in values:
        having.append({"bool": {"must_not": {"exists": {"field": field}}}})
    return {"bool": {"filter": [NOT_DELETED, {"bool": {"should": having}}]}}


def _named(collections: Mapping[str, Collection], name: str) -> Collection:
    if name not in collections:
        raise Misconfigured(f"There is no collection {name} in Elasticsearch.")
    return collections[name]
