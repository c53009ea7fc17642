"""`aigestion nats`: credentials with which programs of others read a tenant's events, and nothing else."""

import re
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aigestion.cli.connection import need_data_dir, open_log, running, servers
from aigestion.cli.options import data_dir_option, json_option, run
from aigestion.cli.text import json_line, second, table
from aigestion.kernel.errors import InvalidInput, Misconfigured, NotFound

if TYPE_CHECKING:
    from aigestion.embedded.nats_grants import Grant
    from aigestion.messaging.credential import Credential

EXPIRES = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
TYPES = re.compile(r"\*|[a-z_]+\.(\*|[a-z_]+)")


class _Span(click.ParamType[timedelta]):
    name = "span"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        found = EXPIRES.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no span of time such as 30d, 12h, 15m or 90s", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.group(
    epilog="Example:  aigestion nats grant acme --types 'user.*' --expires 30d > acme.json"
)
def nats() -> None:
    """NATS: who else may read a tenant's events from the broker."""


@nats.command(
    epilog="Example:  aigestion nats grant acme --types 'user.*' --expires 30d > acme.json"
)
@click.argument("tenant")
@click.option("--types", required=True, help="One type, or user.* and the like, or * for all.")
@click.option("--expires", type=_Span(), help="After this time it opens nothing, e.g. 30d.")
@data_dir_option
@json_option
def grant(
    tenant: str, types: str, expires: timedelta | None, data_dir: Path, as_json: bool
) -> None:
    """Make a credential that reads a tenant's events of these types.

    It is printed once, as JSON; only its public key is kept. On a broker of your own
    (AIGESTION_NATS_URL) the user to put into its configuration is printed beside it.
    """
    import msgspec

    _check_types(types)
    credential, said = run(_grant(tenant, types, expires, data_dir))
    click.echo(said, err=True)
    text = json_line(credential)
    click.echo(text if as_json else msgspec.json.format(text, indent=2))


@nats.command("list", epilog="Example:  aigestion nats list")
@data_dir_option
@json_option
def list_(data_dir: Path, as_json: bool) -> None:
    """List the credentials that were granted, and until when."""
    from aigestion.embedded.datadir import DataDir
    from aigestion.embedded.nats_grants import read_grants
    from aigestion.kernel.clock import utc_now

    _need_embedded(data_dir)
    grants = read_grants(DataDir(data_dir))
    if as_json:
        click.echo(json_line(grants))
        return
    rows = [
        (
            one.name,
            one.tenant,
            one.types,
            second(one.granted_at),
            second(one.expires_at) if one.expires_at else "never",
            "" if one.holds(utc_now()) else "expired",
        )
        for one in grants
    ]
    click.echo(table(["NAME", "TENANT", "TYPES", "GRANTED", "EXPIRES", ""], rows))


@nats.command(epilog="Example:  aigestion nats revoke acme-1f2e3d4c")
@click.argument("name")
@data_dir_option
@json_option
def revoke(name: str, data_dir: Path, as_json: bool) -> None:
    """Take a credential back: who is connected with it is disconnected now."""
    from aigestion.bootstrap.grants import revoke_grant
    from aigestion.embedded.datadir import DataDir

    _need_embedded(data_dir)
    run(revoke_grant(DataDir(data_dir), name, _running_port(data_dir)))
    click.echo(json_line({"revoked": name}) if as_json else f"revoked {name}")


async def _grant(
    tenant: str, types: str, expires: timedelta | None, data_dir: Path
) -> "tuple[Credential, str]":
    """The credential, and what to say beside it."""
    from aigestion.bootstrap.grants import add_grant, credential_of, new_grant
    from aigestion.embedded.datadir import DataDir
    from aigestion.embedded.nats import port_file
    from aigestion.embedded.ports import LOOPBACK
    from aigestion.kernel.clock import utc_now

    settings = servers()
    if settings is not None and expires is not None:
        raise InvalidInput(
            "The broker of AIGESTION_NATS_URL knows no expiry: leave --expires away, and remove the "
            "user from its configuration when the time has come."
        )
    await _must_exist(tenant, data_dir)
    made, key = new_grant(tenant, types, utc_now() + expires if expires else None)
    if settings is not None:
        if settings.nats_url is None:
            raise Misconfigured(
                "Which broker? Set AIGESTION_NATS_URL beside AIGESTION_POSTGRES_URL."
            )
        url = re.sub(r"//[^/@]*@", "//", settings.nats_url.get_secret_value())
        return credential_of(made, key, url), _for_the_operator(made)
    folder = DataDir(data_dir)
    port = _running_port(data_dir)
    await add_grant(folder, made, port)
    url = f"nats://{LOOPBACK}:{port or int(port_file(folder).read_text())}"
    until = f", until {second(made.expires_at)}" if made.expires_at else ""
    return credential_of(made, key, url), f"granted {made.name}{until} (shown once):"


def _for_the_operator(made: "Grant") -> str:
    from aigestion.embedded.nats_configuration import granted_user

    return (
        "This broker is not ours to change. Put this user into the account of the stream, in `users`, "
        "and reload (nats-server --signal reload); take it out again to revoke it:\n"
        f"{json_line(granted_user(made))}\n"
        f"The credential of {made.name} (shown once):"
    )


def _check_types(types: str) -> None:
    """A filter that hears nothing, or more than it says, is refused."""
    from aigestion.events.catalog import EVENTS

    names = sorted(event.stored_as for event in EVENTS)
    if TYPES.fullmatch(types) is None or not any(fnmatchcase(name, types) for name in names):
        raise InvalidInput(
            f"{types!r} is no type of event; say one of {', '.join(names)}, or a noun such as user.*, or *."
        )


async def _must_exist(tenant: str, data_dir: Path) -> None:
    from aigestion.kernel.query import matching

    async with open_log(data_dir) as opened:
        query = matching(f"tenant:{tenant}", types=("tenant.created",)).scoped(tenant)
        if not await opened.reader.read(query, limit=1):
            raise NotFound(
                f"There is no tenant {tenant}. Make it: aigestion tenants create {tenant}"
            )


def _running_port(data_dir: Path) -> int | None:
    from urllib.parse import urlsplit

    doors = running(data_dir)
    return urlsplit(doors.nats_url).port if doors else None


def _need_embedded(data_dir: Path) -> None:
    if servers() is not None:
        raise Misconfigured(
            "The users of the broker of AIGESTION_NATS_URL stand in its own configuration: look there."
        )
    need_data_dir(data_dir)
