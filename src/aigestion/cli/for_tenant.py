"""Commands that change what a tenant has, or show it, on the log itself: of a server, a running system, a data dir."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aigestion.cli.connection import open_log, whose
from aigestion.kernel.errors import NotFound

if TYPE_CHECKING:
    from aigestion.bootstrap.offline import OpenLog
    from aigestion.commands.dispatcher import Dispatcher
    from aigestion.eventstore.reader import LogReader
    from aigestion.kernel.context import Context


@asynccontextmanager
async def looking(tenant: str | None, data_dir: Path) -> "AsyncIterator[tuple[LogReader, str]]":
    """The log, and the tenant that is meant."""
    async with open_log(data_dir) as log:
        yield log.reader, await _known(tenant, log)


@asynccontextmanager
async def acting(tenant: str | None, data_dir: Path) -> "AsyncIterator[tuple[Dispatcher, Context]]":
    """The operator, at work for a tenant."""
    from aigestion.commands.dispatcher import Dispatcher
    from aigestion.kernel.context import Context

    async with open_log(data_dir, appending=True) as log:
        context = Context(tenant=await _known(tenant, log), actor="operator")
        yield Dispatcher(log.store, log.codec), context


async def _known(tenant: str | None, log: "OpenLog") -> str:
    """The tenant that is meant; `NotFound` if nobody made it."""
    from aigestion.events.directory import TenantCreated
    from aigestion.kernel.query import matching

    meant = whose(tenant, log)
    query = matching(f"tenant:{meant}", types=(TenantCreated.stored_as,)).scoped(meant)
    if not await log.reader.read(query, limit=1):
        raise NotFound(f"There is no tenant {meant!r}. Make it: aigestion tenants create {meant}")
    return meant
