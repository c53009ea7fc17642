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
        self, database: str, table: str, types: Mapping[str, str], columns: Sequence[Sequence[Any]]
    ) -> None:
        """Insert the values of these columns; `types` by their names, in the same order.

        Raises `ChangeRejected` for values that a column will never take.
        """
        ...

    async def query(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Rows:
        """The rows of an answer that fits into memory."""
        ...

    def blocks(self, statement: str) -> AsyncGenerator[Rows, None]:
        """The rows of any answer, some at a time: they need not fit into memory."""
        ...
