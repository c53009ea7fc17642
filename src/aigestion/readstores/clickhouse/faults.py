"""What a ClickHouse driver raises, as the errors the rest of the program knows."""

from collections.abc import Iterator
from contextlib import contextmanager

from aigestion.kernel.errors import ChangeRejected, Misconfigured, Unavailable
from aigestion.readstores.clickhouse.engine import NoSuchTable

_GONE = {60: "UNKNOWN_TABLE", 81: "UNKNOWN_DATABASE", 218: "TABLE_IS_DROPPED"}

_FORBIDDEN = {
    164: "READONLY",
    192: "UNKNOWN_USER",
    193: "WRONG_PASSWORD",
    194: "REQUIRED_PASSWORD",
    195: "IP_ADDRESS_NOT_ALLOWED",
    497: "ACCESS_DENIED",
    516: "AUTHENTICATION_FAILED",
}

_PASSING = {
    # Time and load.
    159: "TIMEOUT_EXCEEDED",
    160: "TOO_SLOW",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    241: "MEMORY_LIMIT_EXCEEDED",
    252: "TOO_MANY_PARTS",
    394: "QUERY_WAS_CANCELLED",
    439: "CANNOT_SCHEDULE_TASK",
    473: "DEADLOCK_AVOIDED",
    692: "TOO_MANY_MUTATIONS",
    700: "USER_SESSION_LIMIT_EXCEEDED",
    735: "QUERY_WAS_CANCELLED_BY_CLIENT",
    745: "SERVER_OVERLOADED",
    # Its disk and its network.
    75: "CANNOT_WRITE_TO_FILE_DESCRIPTOR",
    173: "CANNOT_ALLOCATE_MEMORY",
    198: "DNS_ERROR",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    243: "NOT_ENOUGH_SPACE",
    279: "ALL_CONNECTION_TRIES_FAILED",
    # Its replicas and their keeper.
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    242: "TABLE_IS_READ_ONLY",
    254: "NO_ACTIVE_REPLICAS",
    285: "TOO_FEW_LIVE_REPLICAS",
    286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
    289: "REPLICA_IS_NOT_IN_QUORUM",
    305: "TABLE_WAS_NOT_DROPPED",
    319: "UNKNOWN_STATUS_OF_INSERT",
    341: "UNFINISHED",
    999: "KEEPER_EXCEPTION",
}

_NOT_TAKEN = {
    6: "CANNOT_PARSE_TEXT",
    26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    41: "CANNOT_PARSE_DATETIME",
    53: "TYPE_MISMATCH",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    72: "CANNOT_PARSE_NUMBER",
    117: "INCORRECT_DATA",
    131: "TOO_LARGE_STRING_SIZE",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
}


@contextmanager
def answering(*silence: type[Exception]) -> Iterator[None]:
    """Raises what `Engine` promises. `silence` is what else means that nobody answered."""
    from clickhouse_connect.driver.exceptions import DatabaseError, Error, OperationalError

    unheard: tuple[type[Exception], ...] = (OSError, *silence)
    try:
        yield
    except unheard as error:
        raise Unavailable("ClickHouse does not answer.", engine="clickhouse") from error
    except Error as error:
        if error.code in _GONE:
            raise NoSuchTable(str(error)) from error
        if error.code in _FORBIDDEN:
            raise Misconfigured(
                "ClickHouse does not let this user in, or not do what is needed here: check user, "
                f"password and grants (docs/guides/clickhouse.md). It says: {error}"
            ) from error
        if error.code in _PASSING:
            raise Unavailable(
                f"ClickHouse cannot do this now: {_PASSING[error.code]}.", engine="clickhouse"
            ) from error
        # Without a code it was not the engine that spoke: the network, or a proxy.
        if error.code is None and (
            isinstance(error, OperationalError) or type(error) is DatabaseError
        ):
            raise Unavailable("ClickHouse does not answer.", engine="clickhouse") from error
        raise


@contextmanager
def taking(database: str, table: str) -> Iterator[None]:
    """Raises `ChangeRejected` for values a table will never take; no word of them is in the message."""
    from clickhouse_connect.driver.exceptions import Error

    try:
        yield
    except Error as error:
        if error.code in _NOT_TAKEN:
            raise ChangeRejected(
                f"A value that is put to {database}.{table} is not of its column's type."
            ) from error
        raise
