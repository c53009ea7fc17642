"""What must be true of a database before a log is kept in it; each fault is one sentence that says what to do."""

from collections.abc import Iterator
from typing import Any

import asyncpg

from aigestion.eventstore import sql
from aigestion.kernel.errors import Misconfigured

CONNECT_TIMEOUT_SECONDS = 10.0
SERVER_VERSION_MIN = 15
TAIL_CHECKED = 1_000
"""How many of the last positions are counted; `aigestion audit verify` counts all."""
_TAG_HASH_SAMPLE = ("demo/user:ana", 1_619_018_636_311_592_793)
"""A tag and its hash: what the stored tags were hashed with must be what this server computes."""


async def assert_safe(url: str) -> None:
    """Check server, role and log as the runtime role sees them.

    Raises `Misconfigured` with all faults (`details["errors"]`), and what asyncpg raises if there is
    no connection.
    """
    connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_SECONDS)
    try:
        faults = list(_server_faults(await _facts(connection, "server_facts")))
        if await connection.fetchval("SELECT to_regclass('log.migrations') IS NULL"):
            faults.append("The database holds no log: run the migration as its owner.")
        else:
            tag, _ = _TAG_HASH_SAMPLE
            faults += _log_faults(await _facts(connection, "log_facts", tag, TAIL_CHECKED))
    finally:
        await connection.close()
    if faults:
        raise Misconfigured(" ".join(faults), errors=faults)


async def _facts(connection: "asyncpg.Connection[Any]", name: str, *arguments: Any) -> Any:
    return await connection.fetchrow(sql.statement(name), *arguments)


def _server_faults(server: Any) -> Iterator[str]:
    if server["version"] < SERVER_VERSION_MIN:
        yield f"Postgres {server['version']} is too old: the log needs {SERVER_VERSION_MIN} or newer."
    if server["encoding"] != "UTF8":
        yield f"The database is encoded in {server['encoding']}: create it with ENCODING 'UTF8'."
    if not server["checksums"]:
        yield "Data checksums are off: stop the server and run pg_checksums --enable."
    if not server["fsync"]:
        yield "fsync is off: set fsync = on, or a crash may lose the log."
    if not server["full_page_writes"]:
        yield "full_page_writes is off: set full_page_writes = on, or a crash may tear the log."
    if server["synchronous_commit"] not in ("on", "remote_apply"):
        yield (
            f"synchronous_commit is {server['synchronous_commit']} for this role: set it to on, "
            "or a crash may lose what was acknowledged."
        )
    if server["standby"]:
        yield "The server is a standby: connect to the primary."


def _log_faults(log: Any) -> Iterator[str]:
    newest = sql.migrations()[-1][0]
    if log["version"] != newest:
        yield (
            f"The log is at schema version {log['version']} and this program needs {newest}: "
            "run the migration as its owner."
        )
    if log["superuser"]:
        yield f"The role {log['role']} is a superuser and may change the log: use the runtime role."
    elif log["granted"]:
        yield (
            f"The role {log['role']} may change the log ({', '.join(log['granted'])}): "
            "use a role that may not, or revoke it."
        )
    if log["unguarded"]:
        yield (
            f"The append-only triggers of {', '.join(log['unguarded'])} are missing or off: "
            "run ALTER TABLE … ENABLE ALWAYS TRIGGER ALL as the owner."
        )
    if log["tag_hash"] != _TAG_HASH_SAMPLE[1]:
        yield "This server hashes tags differently from the one that wrote them: fill log.tags anew."
    if log["tail_missing"]:
        yield (
            f"{log['tail_missing']} of the log's last {TAIL_CHECKED} positions are missing: "
            "restore it from a backup; `aigestion audit verify` names the first."
        )
