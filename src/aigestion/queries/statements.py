"""Statements from `sql/`, run against the views they name."""

from functools import cache
from pathlib import Path
from typing import Any

import asyncpg

from aigestion.kernel.errors import Unavailable
from aigestion.readstores.port import View
from aigestion.readstores.postgres.answering import answering

QUERY_TIMEOUT_SECONDS = 10.0
_DIRECTORY = Path(__file__).parent / "sql"


async def fetch(pool: asyncpg.Pool, name: str, view: View, *arguments: Any) -> list[asyncpg.Record]:
    """The rows of the statement `sql/<name>.sql`; `{view}` in it is the view's schema.

    Raises `Unavailable` if the database does not answer in time, or has just dropped the view.
    """
    with answering():
        try:
            return await pool.fetch(
                _statement(name, view), *arguments, timeout=QUERY_TIMEOUT_SECONDS
            )
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
            raise Unavailable(
                f"The view {view.name} was just replaced.", engine="postgres"
            ) from error


@cache
def _text(name: str) -> str:
    return (_DIRECTORY / f"{name}.sql").read_text()


def _statement(name: str, view: View) -> str:
    return _text(name).replace("{view}", view.name)
