"""Rows as a projection puts them, and as ClickHouse keeps them: a column a field."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aigestion.kernel.errors import Misconfigured
from aigestion.readstores.port import Row

_json = msgspec.json.Encoder(order="deterministic")


class Column(msgspec.Struct, frozen=True):
    """A field of a collection, as its table has it."""

    name: str
    type: str
    is_json: bool
    """Kept as JSON text: says the comment of the column."""

    def stored(self, values: list[Any]) -> list[Any]:
        """Values of the field as the column keeps them."""
        if not self.is_json:
            return values
        return [None if value is None else _json.encode(value).decode() for value in values]

    def field(self, value: Any) -> Any:
        """The value that was put."""
        return msgspec.json.decode(value) if self.is_json else value


Columns = Sequence[Column]


def values_of(
    collection: str, columns: Columns, rows: Mapping[str, Mapping[str, Any]]
) -> list[list[Any]]:
    """The values of rows by key, column by column. `Misconfigured` if a row is not whole."""
    for fields in rows.values():
        if len(fields) + 1 != len(columns):
            raise _not_whole(collection, columns, fields)
    try:
        return [
            list(rows)
            if column.name == "key"
            else column.stored([fields[column.name] for fields in rows.values()])
            for column in columns
        ]
    except KeyError as missing:
        partial = next(fields for fields in rows.values() if missing.args[0] not in fields)
        raise _not_whole(collection, columns, partial) from None


def row_of(collection: str, columns: Columns, values: Sequence[Any]) -> Row:
    """A row as it was put. A field that is None is left out."""
    key = ""
    fields: dict[str, Any] = {}
    for column, value in zip(columns, values, strict=True):
        if column.name == "key":
            key = value
        elif value is not None:
            fields[column.name] = column.field(value)
    return Row(collection, key, fields)


def _not_whole(collection: str, columns: Columns, fields: Mapping[str, Any]) -> Misconfigured:
    wrong = {column.name for column in columns} ^ {"key", *fields}
    return Misconfigured(
        f"ClickHouse keeps whole rows: a put to {collection} must name its fields, all of them "
        f"and no others ({', '.join(sorted(wrong))})."
    )
