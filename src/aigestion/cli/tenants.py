"""`aigestion tenants`: make a tenant with its first key and the agents it may talk to; list them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aigestion.cli.connection import open_log
from aigestion.cli.options import data_dir_option, json_option, run
from aigestion.cli.text import json_line, second, table
from aigestion.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from aigestion.api.keys import MintedKey
    from aigestion.events.directory import TenantCreated
    from aigestion.events.recorded import Recorded


@click.group(epilog="Example:  aigestion tenants create acme")
def tenants() -> None:
    """Tenants: whose events, keys and agents there are."""


@tenants.command(epilog='Example:  aigestion tenants create acme --title "Acme Ltd"')
@click.argument("tenant")
@click.option("--title", help="What people call it; its name if not given.")
@data_dir_option
@json_option
def create(tenant: str, title: str | None, data_dir: Path, as_json: bool) -> None:
    """Make a tenant, if there is none of that name, and issue it a key.

    The key has every scope, and is shown once, here. Run it again for a further one, or issue lesser
    ones: aigestion keys create. Keys of the tenant `operator` with the scope admin may do over HTTP
    what only the operator may.
    """
    minted, position = run(_create(tenant, title or tenant, data_dir))
    if as_json:
        told = {"tenant": tenant, "key_id": minted.key_id, "key": minted.key, "position": position}
        click.echo(json_line(told))
    else:
        click.echo(f"tenant {tenant}, key {minted.key_id} (shown once):\n{minted.key}")


@tenants.command("list", epilog="Example:  aigestion tenants list --json")
@data_dir_option
@json_option
def list_(data_dir: Path, as_json: bool) -> None:
    """Every tenant, in the order they were made."""
    found = run(_list(data_dir))
    if as_json:
        for one in found:
            click.echo(json_line(_shown(one)))
        return
    rows = [(one.tenant, one.data.name, second(one.occurred_at)) for one in found]
    click.echo(table(("TENANT", "NAME", "CREATED"), rows))


async def _list(data_dir: Path) -> "list[Recorded[TenantCreated]]":
    from aigestion.events.directory import TenantCreated
    from aigestion.kernel.query import matching

    async with open_log(data_dir) as log:
        return await log.reader.read(matching(types=(TenantCreated.stored_as,)))


def _shown(one: "Recorded[TenantCreated]") -> dict[str, Any]:
    return {
        "tenant": one.tenant,
        "name": one.data.name,
        "created_at": one.occurred_at,
        "position": one.position,
    }


async def _create(tenant: str, title: str, data_dir: Path) -> "tuple[MintedKey, int]":
    import re

    from aigestion.agents.catalog import AGENTS
    from aigestion.api.keys import mint_key
    from aigestion.commands.directory.create_tenant import TENANT_NAME, CreateTenant
    from aigestion.commands.directory.issue_key import IssueKey
    from aigestion.commands.directory.register_agent import RegisterAgent
    from aigestion.commands.dispatcher import Dispatcher
    from aigestion.events.directory import SCOPES
    from aigestion.kernel.context import Context

    if re.fullmatch(TENANT_NAME, tenant) is None:
        raise InvalidInput(
            f"{tenant!r} cannot name a tenant: small letters, digits and -, a letter first."
        )
    async with open_log(data_dir, appending=True) as opened:
        dispatcher = Dispatcher(opened.store, opened.codec)
        context = Context(tenant=tenant, actor="operator")
        await dispatcher.dispatch(CreateTenant(tenant, title), context)
        for agent in AGENTS:
            registered = RegisterAgent(agent.name, agent.description, agent.hears)
            await dispatcher.dispatch(registered, context)
        minted = mint_key()
        issue = IssueKey(minted.key_id, minted.secret_hash, "first", SCOPES)
        outcome = await dispatcher.dispatch(issue, context)
    return minted, outcome.position
