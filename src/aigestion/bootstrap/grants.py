"""Grants in force: what the data dir says of them is what the running broker lets in."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import nats.errors
from nats.aio.client import Client

from aigestion.bootstrap.broker import connected_nats
from aigestion.embedded.datadir import DataDir
from aigestion.embedded.nats import password, write_configuration
from aigestion.embedded.nats_configuration import STREAM, granted_subject, inbox_prefix
from aigestion.embedded.nats_grants import Grant, grants_in_force, read_grants, write_grants
from aigestion.embedded.nkey import UserKey, new_user_key
from aigestion.embedded.pid_file import lock
from aigestion.embedded.ports import LOOPBACK
from aigestion.embedded.privileges import engine_user
from aigestion.kernel.clock import utc_now
from aigestion.kernel.errors import AIGestionError, NotFound, Unavailable
from aigestion.kernel.ids import new_id
from aigestion.messaging.credential import Credential

LOOK_SECONDS = 0.5
"""How late an expiry may be."""
LOCK_POLL_SECONDS = 0.02
LOCK_SECONDS_MAX = 15.0
ANSWER_SECONDS_MAX = 5.0
NAME_CHARS_OF_ID = 8

_log = logging.getLogger(__name__)


def new_grant(tenant: str, types: str, expires_at: datetime | None) -> tuple[Grant, UserKey]:
    """A grant, not kept yet, and the key whose seed is handed out once."""
    key = new_user_key()
    grant = Grant(
        name=f"{tenant}-{new_id().hex[-NAME_CHARS_OF_ID:]}",
        tenant=tenant,
        types=types,
        public_key=key.public,
        granted_at=utc_now(),
        expires_at=expires_at,
    )
    return grant, key


def credential_of(grant: Grant, key: UserKey, url: str) -> Credential:
    """What its holder needs to read through the broker at `url`."""
    return Credential(
        url=url,
        seed=key.seed,
        inbox_prefix=inbox_prefix(grant),
        stream=STREAM,
        consumer=grant.name,
        subject=granted_subject(grant),
        tenant=grant.tenant,
        expires_at=grant.expires_at,
    )


async def add_grant(data_dir: DataDir, grant: Grant, port: int | None) -> None:
    """Keep it. With the port of a running broker it is in force when this returns."""
    async with _alone(data_dir):
        write_grants(data_dir, (*read_grants(data_dir), grant))
        await _put_in_force(data_dir, port)


async def revoke_grant(data_dir: DataDir, name: str, port: int | None) -> None:
    """Forget it; a running broker has closed its connections when this returns. Raises `NotFound`."""
    async with _alone(data_dir):
        grants = read_grants(data_dir)
        if name not in {grant.name for grant in grants}:
            raise NotFound(f"There is no grant {name}: see aigestion nats list.")
        write_grants(data_dir, [grant for grant in grants if grant.name != name])
        await _put_in_force(data_dir, port)


async def keep_grants(data_dir: DataDir, port: int) -> None:
    """Let grants expire, for ever; and see to what a command that was killed has left half done."""
    served = grants_in_force(data_dir, utc_now())
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            if grants_in_force(data_dir, utc_now()) == served:
                continue
            async with _alone(data_dir):
                wanted = grants_in_force(data_dir, utc_now())
                await _put_in_force(data_dir, port)
            served = wanted
        except AIGestionError as error:
            _log.error("grants are not in force: %s", error)


async def _put_in_force(data_dir: DataDir, port: int | None) -> None:
    """A broker at rest reads its configuration when it starts; a running one is told to."""
    if port is None:
        return
    write_configuration(data_dir, port, engine_user().of(data_dir.nats))
    address = f"nats://{LOOPBACK}:{port}"
    async with connected_nats(address, "sys", password=password(data_dir, "sys")) as system:
        server = (await _answer(system, "$SYS.REQ.SERVER.PING"))["server"]["id"]
        answer = await _answer(system, f"$SYS.REQ.SERVER.{server}.RELOAD")
    if "error" in answer:
        raise Unavailable(f"the broker refuses its grants: {answer['error']}", engine="nats")


async def _answer(system: Client, subject: str) -> dict[str, Any]:
    try:
        reply = await system.request(subject, b"", timeout=ANSWER_SECONDS_MAX)
    except (nats.errors.Error, TimeoutError) as error:
        raise Unavailable(f"the broker does not take its grants: {error}", engine="nats") from error
    told: dict[str, Any] = json.loads(reply.data)
    return told


@asynccontextmanager
async def _alone(data_dir: DataDir) -> AsyncIterator[None]:
    """One at a time, over all processes: what was read is what is changed."""
    path = data_dir.path / "nats-grants.lock"
    try:
        async with asyncio.timeout(LOCK_SECONDS_MAX):
            while (descriptor := lock(path)) is None:
                await asyncio.sleep(LOCK_POLL_SECONDS)
    except TimeoutError:
        raise Unavailable("Somebody else is changing grants: try again.", engine="nats") from None
    try:
        yield
    finally:
        os.close(descriptor)
