"""The doctor looks at a running system: every engine, position and invariant, through its doors."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import asyncpg
import nats
import nats.errors

from aigestion.bootstrap.offline import open_running
from aigestion.cli.http import api
from aigestion.cli.sql import statement
from aigestion.cli.symptom import Symptom, fail, ok, warn
from aigestion.cli.views import views_over_http
from aigestion.client.http import Answered, Api
from aigestion.embedded.connect_file import Doors
from aigestion.kernel.errors import AIGestionError
from aigestion.postgres import FAILED

CONNECT_SECONDS_MAX = 5.0
STATEMENT_SECONDS_MAX = 60.0
LAG_EVENTS_MAX = 1_000
"""A read model further behind than this is worth a look."""

Look = Callable[[Doors, Path], AsyncGenerator[Symptom, None]]


async def look_at_system(doors: Doors, data_dir: Path) -> AsyncGenerator[Symptom, None]:
    """Every look, one after the other; one that cannot be taken is a finding itself."""
    looks: tuple[tuple[str, Look], ...] = (
        ("http", _http),
        ("postgres", _postgres),
        ("nats", _nats),
        ("relay", _relay),
        ("projections", _projections),
    )
    for part, look in looks:
        try:
            async with aclosing(look(doors, data_dir)) as symptoms:
                async for symptom in symptoms:
                    yield symptom
        except (AIGestionError, *FAILED, nats.errors.Error) as error:
            said = getattr(error, "message", None) or str(error) or type(error).__name__
            yield fail(part, said, "see what `aigestion up` has logged")


async def _http(doors: Doors, _data_dir: Path) -> AsyncGenerator[Symptom, None]:
    async with api(doors) as door:
        health = await _readiness(door)
        for engine, state in health["engines"].items():
            if state == "ok":
                yield ok(engine, "ready")
            else:
                yield fail(engine, state, "see the data dir's logs; it is restarted by itself")
        if doors.api_key is None:
            yield warn(
                "api key", "connect.json has none", "aigestion up without --no-demo makes one"
            )
            return
        try:
            await door.get("/v1/conversations", limit=1)
        except Answered as refusal:
            yield fail("api key", refusal.message, "restart `aigestion up`")
        else:
            yield ok("api key", f"opens tenant {doors.tenant}")


async def _readiness(door: Api) -> dict[str, Any]:
    """`/health/ready` says which engine is missing with a 503: here that is an answer too."""
    try:
        answer: dict[str, Any] = await door.get("/health/ready")
    except Answered as refusal:
        if "engines" not in refusal.details:
            raise
        return refusal.details
    return answer


async def _postgres(doors: Doors, _data_dir: Path) -> AsyncGenerator[Symptom, None]:
    connection = await asyncpg.connect(
        doors.postgres_dsn, timeout=CONNECT_SECONDS_MAX, command_timeout=STATEMENT_SECONDS_MAX
    )
    try:
        rows = await connection.fetch(statement("durability"))
        off = [row["name"] for row in rows if row["setting"] in ("off", "local")]
        if off:
            yield fail("log", f"not durable: {', '.join(off)} is off", "turn it on in Postgres")
        else:
            yield ok("log", f"durable: {', '.join(row['name'] for row in rows)}")
        granted = [row["granted"] for row in await connection.fetch(statement("may_change_log"))]
        if granted:
            yield fail("log", f"not append-only: {', '.join(granted)}", "revoke that from the role")
        else:
            yield ok("log", "append-only for this role")
        extent = await connection.fetchrow(statement("log_extent"))
        assert extent is not None
        if extent["events"] != extent["last"] or extent["first"] > 1:
            found = f"{extent['events']} events between {extent['first']} and {extent['last']}"
            yield fail("log", f"not dense: {found}", "aigestion audit verify names the hole")
        else:
            yield ok("log", f"dense: {extent['events']} events")
        fault = await connection.fetchval(statement("tag_index_fault"), extent["last"])
        if fault is not None:
            found = f"the tag index differs from the events at position {fault}"
            yield fail("log", found, "restore the table log.tags from a backup")
        else:
            yield ok("log", "the tag index agrees with the events")
    finally:
        await connection.close()


async def _nats(doors: Doors, _data_dir: Path) -> AsyncGenerator[Symptom, None]:
    refused: list[Exception] = []

    async def note(error: Exception) -> None:
        refused.append(error)

    broker = await nats.connect(
        doors.nats_url,
        user=doors.nats_user,
        password=doors.nats_password,
        connect_timeout=CONNECT_SECONDS_MAX,
        allow_reconnect=False,
        error_cb=note,
    )
    try:
        await broker.subscribe(f"events.{doors.tenant}.>")
        await broker.flush()
    finally:
        with suppress(nats.errors.Error):
            await broker.close()
    if refused:
        yield fail("subscriber", f"may not subscribe: {refused[0]}", "restart `aigestion up`")
    else:
        yield ok("subscriber", f"may subscribe to events.{doors.tenant}.>")


async def _relay(doors: Doors, data_dir: Path) -> AsyncGenerator[Symptom, None]:
    async with open_running(data_dir, doors) as log:
        last = await log.broker.last_sequence()
        head = await log.store.head()
    if last is None:
        yield fail(
            "relay", "the broker has no stream", "restart `aigestion up`: the relay makes it"
        )
    elif last > head:
        found = f"the broker is at {last}, the log at {head}: was one restored?"
        yield fail("relay", found, "delete the broker's stream; the relay fills a new one")
    elif head - last > LAG_EVENTS_MAX:
        yield warn("relay", f"{head - last} events behind", "wait; if it grows, see the log")
    else:
        yield ok("relay", f"at {last} of {head}")


async def _projections(doors: Doors, _data_dir: Path) -> AsyncGenerator[Symptom, None]:
    async with views_over_http(doors) as views:
        rows = await views.status()
    for row in rows:
        part = f"view {row.name}"
        if row.error is not None:
            found = f"stands at {row.position}: {row.error}"
            remedy = f"mend what it says, then: aigestion projections rebuild {row.name}"
            yield fail(part, found, remedy)
        elif row.view is None:
            yield warn(
                part, f"is being built, at {row.position}", "wait; nothing serves until then"
            )
        elif row.lag > LAG_EVENTS_MAX:
            remedy = "wait; if it grows, see what `aigestion up` has logged"
            yield warn(part, f"{row.lag} events behind", remedy)
        else:
            yield ok(part, f"{row.view} at {row.position}")
