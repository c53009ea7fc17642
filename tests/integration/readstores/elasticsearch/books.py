"""A shelf of books: the smallest projection that has everything."""

from typing import Any

from aigestion.projections.fingerprint import canonical
from aigestion.readstores.port import Put, ReadStore, Row, View

VIEW = View("shelf", 1, 1)
NEXT = View("shelf", 1, 2)
MAPPING = {
    "_meta": {"plain": {"text": "text_plain"}},
    "properties": {
        "shelf": {"type": "keyword"},
        "n": {"type": "long"},
        "price": {"type": "double"},
        "lent": {"type": "boolean"},
        "at": {"type": "date_nanos"},
        "text": {"type": "text"},
        "text_plain": {"type": "text"},
    },
}
_NOTHING = dict.fromkeys(("shelf", "n", "price", "lent", "at", "text"))


def book(key: str, **fields: Any) -> Put:
    """A whole row: what is not given is None."""
    return Put("books", key, {**_NOTHING, **fields})


async def books_of(store: ReadStore, view: View = VIEW) -> list[bytes]:
    return sorted([canonical(row) async for row in store.rows(view)])


def expected(*puts: Put) -> list[bytes]:
    return sorted(canonical(Row(put.collection, put.key, put.fields)) for put in puts)
