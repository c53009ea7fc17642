"""The fingerprint of a view: equal exactly if the rows are, whatever order they come in."""

import hashlib
from collections.abc import AsyncIterator

import msgspec

from aigestion.readstores.port import Row

_BITS = 128
encoded = msgspec.json.Encoder(order="deterministic").encode


class Fingerprint(msgspec.Struct, frozen=True):
    """How many rows there are, and the sum of their hashes."""

    rows: int
    digest: str
    """32 hex digits."""


class Tally:
    """Adds rows up to a fingerprint."""

    def __init__(self) -> None:
        self._rows = 0
        self._sum = 0

    def add(self, row: bytes) -> None:
        """Add a row in its canonical form."""
        digest = hashlib.blake2b(row, digest_size=_BITS // 8).digest()
        self._rows += 1
        self._sum = (self._sum + int.from_bytes(digest, "big")) % (1 << _BITS)

    @property
    def total(self) -> Fingerprint:
        return Fingerprint(self._rows, f"{self._sum:032x}")


def canonical(row: Row) -> bytes:
    """The same bytes for rows that mean the same.

    A field that is None is as good as absent; a UUID is its text, a tuple a list, a moment its
    ISO 8601 text, as JSON has it.
    """
    fields = {name: value for name, value in row.fields.items() if value is not None}
    return encoded([row.collection, row.key, fields])


def canonical_of(key: tuple[str, str], fields: bytes) -> bytes:
    """The same of (collection, key) and the JSON of the fields that are not None."""
    return encoded([*key, msgspec.Raw(fields)])


async def fingerprint(rows: AsyncIterator[Row]) -> Fingerprint:
    """The fingerprint of a view's rows, in constant memory."""
    tally = Tally()
    async for row in rows:
        tally.add(canonical(row))
    return tally.total
