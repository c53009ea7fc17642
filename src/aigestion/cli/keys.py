"""`aigestion keys`: issue, list, expire and revoke a tenant's API keys, on the log itself."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aigestion.cli.for_tenant import acting, looking
from aigestion.cli.options import data_dir_option, json_option, run, tenant_option
from aigestion.cli.text import json_line, second, table

if TYPE_CHECKING:
    from aigestion.queries.keys import KeyRecord

SCOPES = ("read", "write", "admin", "events", "agent")

_SPAN = re.compile(r"(\d{1,4})([dhm])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}


class Moment(click.ParamType[datetime]):
    """A time to come: `30d`, `12h`, `15m` from now, or ISO 8601; without an offset it is UTC."""

    name = "when"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        now = datetime.now(UTC)
        try:
            if span := _SPAN.fullmatch(value):
                at = now + int(span[1]) * _UNITS[span[2]]
            else:
                at = datetime.fromisoformat(value)
                at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither 30d, 12h or 15m nor an ISO 8601 time.", param, ctx)
        if at <= now:
            self.fail(f"{value!r} is over already.", param, ctx)
        return at


@click.group(epilog="Example:  aigestion keys list --tenant acme")
def keys() -> None:
    """API keys of a tenant: issue, list, expire, revoke."""


@keys.command(epilog="Example:  aigestion keys create dashboard --scope read --expires 90d")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="What it may do; give it several times.",
)
@click.option("--expires", type=Moment(), help="30d, 12h, 15m or a time; never if not given.")
@tenant_option
@data_dir_option
@json_option
def create(
    name: str,
    scopes: tuple[str, ...],
    expires: datetime | None,
    tenant: str | None,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Issue a key. It is shown once, here; only its hash is kept.

    read: ask queries. write: give commands. events: read the log and follow streams. admin: keys and
    agents of the tenant. agent: answer as an agent that runs elsewhere.
    """
    told = run(_create(name, scopes, expires, tenant, data_dir))
    plain = f"key {told['key_id']} of {told['tenant']} (shown once):\n{told['key']}"
    click.echo(json_line(told) if as_json else plain)


@keys.command("list", epilog="Example:  aigestion keys list --json")
@tenant_option
@data_dir_option
@json_option
def list_(tenant: str | None, data_dir: Path, as_json: bool) -> None:
    """The tenant's keys as they were issued, the expired and the revoked too."""
    now = datetime.now(UTC)
    found = run(_list(tenant, data_dir))
    if as_json:
        for key in found:
            click.echo(json_line(_shown(key, now)))
        return
    rows = [
        (
            key.key_id,
            key.name,
            " ".join(key.scopes),
            key.state_at(now),
            second(key.issued_at),
            second(key.expires_at) if key.expires_at else "never",
        )
        for key in found
    ]
    click.echo(table(("KEY", "NAME", "SCOPES", "STATE", "ISSUED", "EXPIRES"), rows))


@keys.command(epilog="Example:  aigestion keys expire 3f9c1a7be204 --at 7d")
@click.argument("key_id")
@click.option("--at", type=Moment(), required=True, help="30d, 12h, 15m or a time.")
@tenant_option
@data_dir_option
@json_option
def expire(key_id: str, at: datetime, tenant: str | None, data_dir: Path, as_json: bool) -> None:
    """Set the end of a key, or bring it forward: time to put another in its place."""
    from aigestion.commands.directory.issue_key import ExpireKey

    position = run(_change(ExpireKey(key_id, at), tenant, data_dir))
    told = {"key_id": key_id, "expires_at": at, "position": position}
    click.echo(json_line(told) if as_json else f"key {key_id} expires at {second(at)}")


@keys.command(epilog="Example:  aigestion keys revoke 3f9c1a7be204")
@click.argument("key_id")
@tenant_option
@data_dir_option
@json_option
def revoke(key_id: str, tenant: str | None, data_dir: Path, as_json: bool) -> None:
    """Within a second the key opens nothing any more, on any process. Again is no news."""
    from aigestion.commands.directory.issue_key import RevokeKey

    position = run(_change(RevokeKey(key_id), tenant, data_dir))
    told = {"key_id": key_id, "position": position}
    click.echo(json_line(told) if as_json else f"key {key_id} is revoked")


async def _create(
    name: str,
    scopes: tuple[str, ...],
    expires: datetime | None,
    tenant: str | None,
    data_dir: Path,
) -> dict[str, Any]:
    from aigestion.api.keys import mint_key
    from aigestion.commands.directory.issue_key import IssueKey
    from aigestion.events.directory import in_order

    minted = mint_key()
    command = IssueKey(minted.key_id, minted.secret_hash, name, in_order(scopes), expires)
    async with acting(tenant, data_dir) as (dispatcher, context):
        outcome = await dispatcher.dispatch(command, context)
    return {
        "tenant": context.tenant,
        "key_id": minted.key_id,
        "key": minted.key,
        "scopes": command.scopes,
        "expires_at": expires,
        "position": outcome.position,
    }


async def _change(command: Any, tenant: str | None, data_dir: Path) -> int:
    async with acting(tenant, data_dir) as (dispatcher, context):
        return (await dispatcher.dispatch(command, context)).position


async def _list(tenant: str | None, data_dir: Path) -> "list[KeyRecord]":
    from aigestion.kernel.query import matching
    from aigestion.queries.keys import KEY_EVENTS, keys_in

    async with looking(tenant, data_dir) as (reader, whose):
        return keys_in(await reader.read(matching(types=KEY_EVENTS).scoped(whose)))


def _shown(key: "KeyRecord", now: datetime) -> dict[str, Any]:
    import msgspec

    fields = msgspec.structs.asdict(key)
    del fields["secret_hash"]
    return {**fields, "state": key.state_at(now)}
