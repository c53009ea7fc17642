"""How a command reaches the system: a running one through its doors, or a data dir at rest."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aigestion.kernel.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from aigestion.bootstrap.offline import OpenLog
    from aigestion.embedded.connect_file import Doors
    from aigestion.eventstore.reader import Events
    from aigestion.settings import Settings


def running(data_dir: Path) -> "Doors | None":
    """The doors of the system that runs on this data dir; None if it is at rest."""
    from aigestion.embedded.connect_file import running as running_on

    return running_on(data_dir)


def need_running(data_dir: Path) -> "Doors":
    """The doors of the running system; `Unavailable` says how to start it."""
    doors = running(data_dir)
    if doors is None:
        raise Unavailable(
            f"Nothing is running on {data_dir}. Start it: aigestion up --data-dir {data_dir}"
        )
    return doors


def need_data_dir(data_dir: Path) -> None:
    """`Misconfigured` if nobody has ever started a system there: looking must not make one."""
    if not data_dir.is_dir():
        raise Misconfigured(
            f"There is no data dir {data_dir}. Make one: aigestion up --data-dir {data_dir}"
        )


def servers() -> "Settings | None":
    """The settings, if they name servers: then commands work on those, and not on a data dir."""
    if not any(os.environ.get(name) for name in _MAY_NAME_SERVERS):
        return None
    from aigestion.settings import load_settings

    settings = load_settings()
    return None if settings.postgres_url is None else settings


_MAY_NAME_SERVERS = ("AIGESTION_POSTGRES_URL", "AIGESTION_SETTINGS_FILE", "AIGESTION_SECRETS_DIR")


def open_log(data_dir: Path, *, appending: bool = False) -> "AbstractAsyncContextManager[OpenLog]":
    """The log: on servers, of a running system, or of a data dir at rest."""
    settings = servers()
    if settings is not None:
        from aigestion.bootstrap.offline import open_log_on_servers

        return open_log_on_servers(settings, appending=appending)
    need_data_dir(data_dir)
    from aigestion.bootstrap.offline import open_log as open_log_of

    return open_log_of(data_dir, appending=appending)


@dataclass(frozen=True)
class Place:
    """Where events are asked for, and whose: over HTTP, where a key says it, or of the log itself."""

    data_dir: Path
    tenant: str | None = None
    all_tenants: bool = False
    url: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if self.url is None:
            return
        if not self.url.startswith(("http://", "https://")):
            raise Misconfigured(
                f"{self.url!r} is no address of a system, such as https://host:8080."
            )
        if self.key is None:
            raise Misconfigured("Over HTTP a --key says who asks and whose events.")
        if self.tenant or self.all_tenants:
            raise Misconfigured(
                "Over HTTP the key says whose events: --tenant and --all-tenants need the log itself."
            )


@asynccontextmanager
async def open_events(place: Place) -> AsyncIterator["Events"]:
    """The events of a place, opened."""
    if place.url is not None:
        from aigestion.cli.http_events import HttpEvents
        from aigestion.client.http import Api

        async with Api(place.url, place.key) as api:
            yield HttpEvents(api)
        return
    from aigestion.eventstore.reader import TenantEvents

    async with open_log(place.data_dir) as log:
        if place.all_tenants:
            yield log.reader
        else:
            yield TenantEvents(log.reader, whose(place.tenant, log))


def whose(tenant: str | None, log: "OpenLog") -> str:
    """The tenant that is meant; `Misconfigured` if nobody says and there is no demo."""
    found = tenant or log.tenant
    if found is None:
        raise Misconfigured("Whose events? Say --tenant, or --all-tenants where that goes.")
    return found
