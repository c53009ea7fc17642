"""What there is in the end, read from outside: rows by SQL, messages from the broker, answers over HTTP."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import asyncpg
import httpx2
import msgspec
import nats
import nats.js.errors

from aigestion.prove.broker import STREAM
from aigestion.prove.history import History
from aigestion.prove.load import Tenant
from aigestion.prove.signed import Signed, read_signed
from aigestion.prove.system import System

PAGE_EVENTS = 200
ASKING_AT_ONCE = 32
ASK_SECONDS_MAX = 30.0
ASK_TRIES = 5


class Row(msgspec.Struct, frozen=True):
    """One row of the log."""

    position: int
    id: str
    type: str
    tenant: str


class Opened(msgspec.Struct, frozen=True):
    """One event as the API gives it: opened."""

    position: int
    id: str
    type: str
    tenant: str
    data: dict[str, Any]


class Mirrored(msgspec.Struct, frozen=True):
    """One message of the broker."""

    sequence: int
    id: str | None
    data: Any
    """Its JSON, decoded; None if it is none."""


class Evidence(msgspec.Struct, kw_only=True):
    """All of it, at rest."""

    head: int
    """What the log says its last position is."""
    rows: list[Row]
    signed: Signed
    opened: list[Opened]
    last_sequence: int | None
    messages: list[Mirrored]
    transcripts: dict[str, dict[str, Any]]
    """What the API says of each conversation, by id."""
    asked: Counter[str]
    """How often the provider was asked about a marker."""
    completed: Counter[str]
    """How often it answered one to the end."""
    audit_passed: bool
    audit_said: str
    rss_bytes_max: dict[str, int]
    descriptors_max: dict[str, int]


async def gathered(
    system: System,
    tenants: Sequence[Tenant],
    history: History,
    rss_bytes_max: dict[str, int],
    descriptors_max: dict[str, int],
) -> Evidence:
    """Read everything. `Unavailable`, `OSError` or an error of a client if something does not answer at rest."""
    rows, head = await _rows(system)
    opened: list[Opened] = []
    transcripts: dict[str, dict[str, Any]] = {}
    for tenant in tenants:
        headers = {"Authorization": f"Bearer {tenant.key}"}
        url = system.api_urls[0]
        async with httpx2.AsyncClient(
            base_url=url, headers=headers, timeout=ASK_SECONDS_MAX, trust_env=False
        ) as http:
            opened += await _opened(http, tenant)
            transcripts |= await _transcripts(http, tenant, history, head)
    messages, last_sequence = await _messages(system)
    passed, said = await _audit(system)
    return Evidence(
        head=head,
        rows=rows,
        signed=await read_signed(system, head),
        opened=sorted(opened, key=lambda one: one.position),
        last_sequence=last_sequence,
        messages=messages,
        transcripts=transcripts,
        asked=system.provider.calls,
        completed=system.provider.completed,
        audit_passed=passed,
        audit_said=said,
        rss_bytes_max=rss_bytes_max,
        descriptors_max=descriptors_max,
    )


async def _rows(system: System) -> tuple[list[Row], int]:
    owner = await asyncpg.connect(system.postgres.owner_url)
    try:
        found = await owner.fetch(
            "SELECT position, id, type, tenant FROM log.events ORDER BY position"
        )
        head = await owner.fetchval("SELECT position FROM log.head")
    finally:
        await owner.close()
    return [Row(one["position"], str(one["id"]), one["type"], one["tenant"]) for one in found], head


async def _opened(http: httpx2.AsyncClient, tenant: Tenant) -> list[Opened]:
    found: list[Opened] = []
    after = 0
    while True:
        page = (await _got(http, f"/v1/events?after={after}&limit={PAGE_EVENTS}"))["items"]
        found += [
            Opened(one["position"], one["id"], one["type"], one["tenant"], one["data"])
            for one in page
        ]
        if len(page) < PAGE_EVENTS:
            return found
        after = page[-1]["position"]


async def _transcripts(
    http: httpx2.AsyncClient, tenant: Tenant, history: History, head: int
) -> dict[str, dict[str, Any]]:
    room = asyncio.Semaphore(ASKING_AT_ONCE)
    ids = {
        one.conversation
        for one in history.operations
        if one.tenant == tenant.name and one.kind == "start" and one.conversation
    }

    async def one(conversation: str) -> tuple[str, dict[str, Any]]:
        async with room:
            path = f"/v1/conversations/{conversation}?min_position={head}"
            return conversation, await _got(http, path)

    return dict(await asyncio.gather(*map(one, ids)))


async def _got(http: httpx2.AsyncClient, path: str) -> dict[str, Any]:
    for _ in range(ASK_TRIES):
        answer = await http.get(path)
        if answer.status_code != 503:
            break
        await asyncio.sleep(1)
    told: dict[str, Any] = answer.json()
    return told if answer.is_success else {"items": [], "messages": [], "status": told}


async def _messages(system: System) -> tuple[list[Mirrored], int | None]:
    client = await nats.connect(system.broker.url("app"), connect_timeout=5)
    room = asyncio.Semaphore(ASKING_AT_ONCE)
    try:
        stream = client.jetstream(timeout=ASK_SECONDS_MAX)
        state = (await stream.stream_info(STREAM)).state

        async def one(sequence: int) -> Mirrored | None:
            async with room:
                try:
                    message = await stream.get_msg(STREAM, seq=sequence)
                except nats.js.errors.NotFoundError:
                    return None
            try:
                data = json.loads(message.data or b"")
            except ValueError:
                data = None
            return Mirrored(sequence, (message.headers or {}).get("ce-id"), data)

        found = await asyncio.gather(*map(one, range(state.first_seq, state.last_seq + 1)))
        return [message for message in found if message is not None], state.last_seq
    finally:
        await client.close()


async def _audit(system: System) -> tuple[bool, str]:
    code, out, err = await system.command("audit", "verify", "--json")
    return code == 0, (out + err).strip()
