"""The roles: `aigestion api`, `relay`, `project` as processes of their own, and `migrate` before them."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

from aigestion.cli.options import json_option, run, run_until_told
from aigestion.cli.text import json_line

if TYPE_CHECKING:
    from aigestion.settings import Settings


@click.command(epilog="Example:  AIGESTION_SETTINGS_FILE=/etc/aigestion.toml aigestion migrate")
@json_option
def migrate(as_json: bool) -> None:
    """Bring the log's database to this program's shape; run it before a new version's roles.

    Needs the owner's URL. Makes the runtime role and the master key if they are missing. Safe to
    repeat, and while older roles run.
    """
    from aigestion.bootstrap.migrate import run_migrate
    from aigestion.settings import load_settings

    role = run(run_migrate(load_settings()))
    said = f"The log is up to date; the role {role} may work with it."
    click.echo(json_line({"role": role}) if as_json else said)


@click.command(epilog="Example:  AIGESTION_HTTP__HOST=0.0.0.0 aigestion api")
@json_option
def api(as_json: bool) -> None:
    """Take commands and answer queries over HTTP; any number of processes may.

    SIGTERM: `/health/ready` says no, requests under way end, streams are closed.
    """
    from aigestion.bootstrap.roles import run_api

    run_role("api", run_api, as_json)


@click.command(epilog="Example:  aigestion relay")
@json_option
def relay(as_json: bool) -> None:
    """Mirror the log onto the broker: one process leads, further ones stand by."""
    from aigestion.bootstrap.roles import run_relay

    run_role("relay", run_relay, as_json)


@click.command(epilog="Example:  aigestion project search passages")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
def project(names: tuple[str, ...], as_json: bool) -> None:
    """Keep read models up to date, all or those named: one process leads for each, others stand by."""
    from aigestion.bootstrap.roles import run_project

    run_role("project", lambda settings, ready: run_project(settings, names, ready), as_json)


def run_role(
    name: str,
    role: "Callable[[Settings, Callable[[str], None]], Coroutine[Any, Any, None]]",
    as_json: bool,
) -> None:
    from aigestion.observability.logging import configure_logging
    from aigestion.settings import load_settings

    settings = load_settings()
    configure_logging(settings.logging.level, settings.logging.format)

    def ready(url: str) -> None:
        told = json_line({"role": name, "url": url})
        click.echo(told if as_json else f"{name} is ready: {url}/health/ready")

    run_until_told(role(settings, ready))
