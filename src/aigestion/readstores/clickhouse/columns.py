"""Rows as a projection puts them, as ClickHouse takes them (lines of JSON) and as it gives them back."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from aigestion.kernel.errors import ChangeRejected, Misconfigured
from aigestion.readstores.port import Row

ROWS_AT_ONCE_MAX = 500
"""About a millisecond: then whoever shares the event loop has a turn."""

_FINITE = msgspec.Meta(ge=-1.7976931348623157e308, le=1.7976931348623157e308)
_TYPES: Mapping[str, Any] = {
    "String": str,
    "Bool": bool,
    "Int64": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "UInt32": Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)],
    "UInt64": Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)],
    "Float64": Annotated[float, _FINITE],
    "DateTime64(6, 'UTC')": Annotated[datetime, msgspec.Meta(tz=True)],
}
"""What a column takes; ClickHouse itself would read a number off text, and one too large as another."""

DATES = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2299, 12, 31, tzinfo=UTC))
"""Others ClickHouse would take for the nearest it can read."""
_EXACTLY = (datetime,)
"""Taken as they are: text would be read as one otherwise."""

_json = msgspec.json.Encoder(order="deterministic")
_lines = msgspec.json.Encoder()


class Column(msgspec.Struct, frozen=True):
    """A field of a collection, as its table has it."""

    name: str
    type: str
    is_json: bool
    """Kept as JSON text: says the comment of the column."""

    @property
    def takes(self) -> Any:
        """The type of its values. `Misconfigured` if nobody has said what such a column takes."""
        name, is_nullable = self.type, False
        for wrapper in ("LowCardinality", "Nullable"):
            if name.startswith(f"{wrapper}("):
                name = name[len(wrapper) + 1 : -1]
                is_nullable = wrapper == "Nullable"
        if name not in _TYPES:
            raise Misconfigured(f"A column of type {self.type} is not known here: {self.name}.")
        return _TYPES[name] | None if is_nullable else _TYPES[name]

    def stored(self, value: Any) -> Any:
        """A value of the field as the column keeps it."""
        return value if not self.is_json or value is None else _json.encode(value).decode()

    def field(self, value: Any) -> Any:
        """The value that was put."""
        return msgspec.json.decode(value) if self.is_json else value


class Table:
    """A collection: its columns, `key` the first of them."""

    def __init__(self, name: str, columns: Sequence[Column]) -> None:
        self.name = name
        self.columns = columns
        self.types = {column.name: column.type for column in columns}
        self._fields = [column.name for column in columns[1:]]
        self._json = [(at, column) for at, column in enumerate(columns) if column.is_json]
        self._dates = [at for at, column in enumerate(columns) if "Date" in column.type]
        self._taken: Any = list[tuple[tuple(column.takes for column in columns)]]  # type: ignore[misc]

    async def lines(self, rows: Mapping[str, Mapping[str, Any]]) -> bytes:
        """Rows by key, as `engine.FORMAT` has them.

        `Misconfigured` if a row is not whole; `ChangeRejected` for a value that its column will never
        take: no word of it is in the message.
        """
        lines, every = [], list(rows.items())
        for start in range(0, len(every), ROWS_AT_ONCE_MAX):
            lines.append(self._encoded(every[start : start + ROWS_AT_ONCE_MAX]))
            await asyncio.sleep(0)
        return b"".join(lines)

    def row(self, values: Sequence[Any]) -> Row:
        """A row as it was put. A field that is None is left out."""
        fields = {
            column.name: column.field(value)
            for column, value in zip(self.columns, values, strict=True)
            if value is not None
        }
        return Row(self.name, fields.pop("key"), fields)

    def _values(self, key: str, fields: Mapping[str, Any]) -> list[Any]:
        """In the order of the columns."""
        try:
            values = [key, *map(fields.__getitem__, self._fields)]
        except KeyError:
            raise self._not_whole(fields) from None
        if len(values) != len(fields) + 1:
            raise self._not_whole(fields)
        for at, column in self._json:
            values[at] = column.stored(values[at])
        return values

    def _encoded(self, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> bytes:
        try:
            values = [self._values(key, fields) for key, fields in rows]
            for at in self._dates:
                _check_dates([row[at] for row in values if row[at] is not None])
            return _lines.encode_lines(msgspec.convert(values, self._taken, builtin_types=_EXACTLY))
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise ChangeRejected(
                f"A value that is put to {self.name} is not of its column's type."
            ) from error

    def _not_whole(self, fields: Mapping[str, Any]) -> Misconfigured:
        wrong = self.types.keys() ^ {"key", *fields}
        return Misconfigured(
            f"ClickHouse keeps whole rows: a put to {self.name} must name its fields, all of them "
            f"and no others ({', '.join(sorted(wrong))})."
        )


def _check_dates(dates: Sequence[datetime]) -> None:
    earliest, latest = DATES
    if dates and not (earliest <= min(dates) and max(dates) <= latest):
        raise ValueError("a date that ClickHouse cannot read")
