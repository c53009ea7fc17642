"""The port of a ClickHouse, be it a server or the engine in this process."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

QUERY_SECONDS_MAX = 10
MEMORY_MAX_BYTES = 1 << 30
"""What one query or insert may take."""
ROWS_IN_BLOCK_MAX = 8_192

SETTINGS: Mapping[str, Any] = {
    "async_insert": 0,  # an insert that is acknowledged is written
    "insert_deduplicate": 0,  # rows are: a block that looks like an earlier one must not be lost
    "max_execution_time": QUERY_SECONDS_MAX,
    "max_memory_usage": MEMORY_MAX_BYTES,
    "max_block_size": ROWS_IN_BLOCK_MAX,
}
UNHURRIED: Mapping[str, Any] = {"max_execution_time": 0}
"""For what takes as long as it takes."""
STREAMED: Mapping[str, Any] = {**UNHURRIED, "max_threads": 1, "max_block_size": 2_048}
"""For a stream of blocks: its reader sets the pace, so more threads would only hold more blocks in memory."""

FORMAT = "JSONCompactEachRow"
"""How rows come to an insert: an array each, on a line of its own."""
INSERTED: Mapping[str, Any] = {
    # What is read off a line is what was written there.
    "date_time_input_format": "best_effort",  # RFC 3339
    "input_format_json_read_numbers_as_strings": 1,
    "precise_float_parsing": 1,
    "input_format_parallel_parsing": 0,  # it would hold ten megabytes a thread
    "optimize_on_insert": 0,  # keys are put once in an insert, and whoever reads says FINAL
}

_INSERT = "INSERT INTO `{database}`.`{table}` ({columns}) SELECT * FROM {rows}"

Rows: TypeAlias = Sequence[Sequence[Any]]


class NoSuchTable(LookupError):
    """The table that was asked for, or its database, is not there."""


class Engine(Protocol):
    """Where statements run; `{name:Type}` in one stands for a parameter.

    Every call raises `NoSuchTable`, `Unavailable` for what a moment later may work, and `Misconfigured`
    for what somebody has to put right: credentials, grants. A call that writes is done when its
    caller is released, also if that was cancelled.
    """

    async def run(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that changes something."""
        ...

    async def insert(
        self, database: str, table: str, types: Mapping[str, str], lines: bytes
    ) -> None:
        """Insert rows, as `FORMAT` has them, of these columns: their types by their names, in that order.

        Raises `ChangeRejected` for what cannot be read as a value of a column; whether a number fits, and
        is there, has to be seen to before.
        """
        ...

    async def query(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Rows:
        """The rows of an answer that fits into memory."""
        ...

    def blocks(self, statement: str) -> AsyncGenerator[Rows, None]:
        """The rows of any answer, some at a time: they need not fit into memory."""
        ...


def insertion(database: str, table: str, types: Mapping[str, str], source: str) -> str:
    """The statement that inserts what a `source` yields: a table function, with a `{}` for what its columns are.

    Columns of few values are put together whole: value by value, they take as long as all the rest.
    Floats are read off their text: as numbers of JSON, one in five would come out another.
    """
    columns = ", ".join(f"`{name}`" for name in types)
    structure = ", ".join(f"`{name}` {_read_as(type_)}" for name, type_ in types.items())
    quoted = "'{}'".format(structure.replace("\\", "\\\\").replace("'", "\\'"))
    rows = source.format(quoted)
    return _INSERT.format(database=database, table=table, columns=columns, rows=rows)


def _read_as(type_: str) -> str:
    plain = type_.removeprefix("LowCardinality(")[:-1] if type_.startswith("Low") else type_
    return plain.replace("Float64", "String")
