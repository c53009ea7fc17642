"""Brings a database to the shape this program knows, and gives the runtime role exactly what it may do."""

import contextlib

import asyncpg

from aigestion.eventstore import sql
from aigestion.kernel.errors import Misconfigured

CONNECT_TIMEOUT_SECONDS = 10.0
_ONE_AT_A_TIME = 5_102_019_644_031_781_000
"""Key of the advisory lock that migrating processes queue for."""


async def migrate(owner_url: str, runtime_role: str, runtime_password: str | None) -> None:
    """Apply what is missing, in order, each script in a transaction. Safe to run again, and at once.

    `owner_url` names the role that will own everything; it needs to create schemas, and the runtime
    role if that does not exist. Raises `Misconfigured` if the database is newer than this program.
    """
    connection = await asyncpg.connect(owner_url, timeout=CONNECT_TIMEOUT_SECONDS)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _ONE_AT_A_TIME)
        await _apply_missing(connection)
        await _ensure_role(connection, runtime_role, runtime_password)
        await _grant(connection, runtime_role)
    finally:
        await connection.close()


async def _apply_missing(connection: asyncpg.Connection) -> None:
    await connection.execute(sql.statement("create_schemas"))
    applied = await connection.fetchval("SELECT coalesce(max(version), 0) FROM log.migrations")
    known = sql.migrations()
    newest = known[-1][0]
    if applied > newest:
        raise Misconfigured(
            f"The log is at schema version {applied} and this program knows {newest}: "
            "run the newer program that migrated it."
        )
    for version, name, script in known[applied:]:
        async with connection.transaction():
            await connection.execute(script)
            await connection.execute(
                "INSERT INTO log.migrations (version, name) VALUES ($1, $2)", version, name
            )


async def _ensure_role(connection: asyncpg.Connection, role: str, password: str | None) -> None:
    """Create the role if need be. Roles belong to the whole server: somebody may do so just now."""
    identifier = await _quoted(connection, role)
    exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
    if not exists:
        with contextlib.suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            await connection.execute(f"CREATE ROLE {identifier} LOGIN")
    if password is not None:
        literal = await connection.fetchval("SELECT quote_literal($1::text)", password)
        await connection.execute(f"ALTER ROLE {identifier} LOGIN PASSWORD {literal}")


async def _grant(connection: asyncpg.Connection, role: str) -> None:
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    grants = sql.statement("grants").format(database=database, role=await _quoted(connection, role))
    async with connection.transaction():
        await connection.execute(grants)


async def _quoted(connection: asyncpg.Connection, name: str) -> str:
    return str(await connection.fetchval("SELECT quote_ident($1::text)", name))
