"""What it looks like when PostgreSQL does not answer: one error for the rest of the program."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from aigestion.kernel.errors import Unavailable
from aigestion.postgres import UNREACHED

_SILENCE = (*UNREACHED, asyncpg.TransactionRollbackError, asyncpg.LockNotAvailableError)


@contextmanager
def answering() -> Iterator[None]:
    """Raises `Unavailable` for what a moment later may work: no connection, no time, no room."""
    try:
        yield
    except _SILENCE as error:
        raise Unavailable("PostgreSQL does not answer.", engine="postgres") from error
