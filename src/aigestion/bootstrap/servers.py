"""The log and the broker on servers that settings name: what is missing or unfit is refused, all at once."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from nats.aio.client import Client

from aigestion.bootstrap.broker import check_nats, connected_nats
from aigestion.bootstrap.log import Log, opened_log
from aigestion.bootstrap.models import missing_keys
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
    log = await open_log_server(settings, stack, appending=appending)
    client = await stack.enter_async_context(
        connected_nats(servers.nats_url, part, ca_file=settings.nats.ca_file)
    )
    await check_nats(client)
    return log, client


async def open_log_server(settings: Settings, stack: AsyncExitStack, *, appending: bool) -> Log:
    """Check and open the log alone until the stack ends; raises as `open_servers` does."""
    postgres_url, master_key = _needed_log(settings)
    with reaching_postgres():
        await assert_safe(postgres_url)
        return await stack.enter_async_context(
            opened_log(
                postgres_url,
                master_key,
                settings.log.connections_max,
                catalog=Catalog(),
                appending=appending,
            )
        )


class Servers(NamedTuple):
    """Where log and broker are."""

    postgres_url: str
    master_key: Path
    nats_url: str


def needed_servers(settings: Settings, *, reading: bool, asking: bool = False) -> Servers:
    """What a role cannot do without; `Misconfigured` names all that is missing."""
    nats = settings.nats_url
    needed: dict[str, object] = {"AIGESTION_NATS_URL": nats}
    if reading:
        needed["AIGESTION_CLICKHOUSE_URL"] = settings.clickhouse_url
        needed["AIGESTION_QDRANT_URL"] = settings.qdrant_url
    if asking:
        needed |= dict.fromkeys(missing_keys(settings))
    postgres_url, master_key = _needed_log(settings, needed)
    assert nats is not None
    return Servers(postgres_url, master_key, nats.get_secret_value())


def _needed_log(
    settings: Settings, beside: Mapping[str, object] = MappingProxyType({})
) -> tuple[str, Path]:
    """Where the log is and which key opens it; `Misconfigured` names all that is missing, also of `beside`."""
    postgres, master_key = settings.postgres_url, settings.log.master_key_file
    needed = {
        "AIGESTION_POSTGRES_URL": postgres,
        **beside,
        "AIGESTION_LOG__MASTER_KEY_FILE": master_key,
    }
    if faults := [f"{name} is missing" for name, value in needed.items() if value is None]:
        raise Misconfigured(f"This works on servers: {', '.join(faults)}.", errors=faults)
    assert postgres is not None
    assert master_key is not None
    if not master_key.exists():
        raise Misconfigured(
            f"There is no master key {master_key}: `aigestion migrate` makes one, and every process "
            "needs that same file."
        )
    return postgres.get_secret_value(), master_key
