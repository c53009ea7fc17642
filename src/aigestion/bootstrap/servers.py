"""The log and the broker on servers that settings name: what is missing or unfit is refused, all at once."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from nats.aio.client import Client

from aigestion.bootstrap.broker import check_nats, connected_nats
from aigestion.bootstrap.log import Log, opened_log
from aigestion.bootstrap.models import missing_key
from aigestion.bootstrap.postgres import reaching_postgres
from aigestion.events.catalog import Catalog
from aigestion.eventstore.assertions import assert_safe
from aigestion.kernel.errors import Misconfigured
from aigestion.settings import Settings


async def open_servers(
    settings: Settings,
    stack: AsyncExitStack,
    part: str,
    *,
    appending: bool,
    reading: bool,
    asking: bool = False,
) -> tuple[Log, Client]:
    """Check and open both until the stack ends.

    `reading`: read stores will be needed too; `asking`: a model will be.

    `Misconfigured` names every setting that is missing, or says what is wrong with a server and what
    to do; `Unavailable` if one does not answer.
    """
    servers = needed_servers(settings, reading=reading, asking=asking)
    with reaching_postgres():
        await assert_safe(servers.postgres_url)
        log = await stack.enter_async_context(
            opened_log(
                servers.postgres_url,
                servers.master_key,
                settings.log.connections_max,
                catalog=Catalog(),
                appending=appending,
            )
        )
    client = await stack.enter_async_context(
        connected_nats(servers.nats_url, part, ca_file=settings.nats.ca_file)
    )
    await check_nats(client)
    return log, client


class Servers(NamedTuple):
    """Where log and broker are."""

    postgres_url: str
    master_key: Path
    nats_url: str


def needed_servers(settings: Settings, *, reading: bool, asking: bool = False) -> Servers:
    """What a role cannot do without; `Misconfigured` names all that is missing."""
    postgres, nats = settings.postgres_url, settings.nats_url
    master_key = settings.log.master_key_file
    needed: dict[str, object] = {
        "AIGESTION_POSTGRES_URL": postgres,
        "AIGESTION_NATS_URL": nats,
        "AIGESTION_LOG__MASTER_KEY_FILE": master_key,
    }
    if reading:
        needed["AIGESTION_CLICKHOUSE_URL"] = settings.clickhouse_url
        needed["AIGESTION_QDRANT_URL"] = settings.qdrant_url
    if asking and (key := missing_key(settings)):
        needed[key] = None
    if faults := [f"{name} is missing" for name, value in needed.items() if value is None]:
        raise Misconfigured(f"This works on servers: {', '.join(faults)}.", errors=faults)
    assert postgres is not None
    assert nats is not None
    assert master_key is not None
    if not master_key.exists():
        raise Misconfigured(
            f"There is no master key {master_key}: `aigestion migrate` makes one, and every process "
            "needs that same file."
        )
    return Servers(postgres.get_secret_value(), master_key, nats.get_secret_value())
