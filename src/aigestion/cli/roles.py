"""The roles: `aigestion api`, `relay`, `project`, `agents` as processes of their own, and `migrate` before them."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

from aigestion.cli.options import run

if TYPE_CHECKING:
    from aigestion.settings import Settings


@click.command(epilog="Example:  AIGESTION_SETTINGS_FILE=/etc/aigestion.toml aigestion migrate")
def migrate() -> None:
    """Bring the log's database to this program's shape; run it before a new version's roles.

    Needs the owner's URL. Makes the runtime role and the master key if they are missing. Safe to
    repeat, and while older roles run.
    """
    from aigestion.bootstrap.migrate import run_migrate
    from aigestion.settings import load_settings

    role = run(run_migrate(load_settings()))
    click.echo(f"The log is up to date; the role {role} may work with it.")


@click.command(epilog="Example:  AIGESTION_HTTP__HOST=0.0.0.0 aigestion api")
def api() -> None:
    """Take commands and answer queries over HTTP; any number of processes may.

    SIGTERM: `/health/ready` says no, requests under way end, streams are closed.
    """
    from aigestion.bootstrap.roles import run_api

    _run("api", run_api)


@click.command(epilog="Example:  aigestion relay")
def relay() -> None:
    """Mirror the log onto the broker: one process leads, further ones stand by."""
    from aigestion.bootstrap.roles import run_relay

    _run("relay", run_relay)


@click.command(epilog="Example:  aigestion project search passages")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def project(names: tuple[str, ...]) -> None:
    """Keep read models up to date, all or those named: one process leads for each, others stand by."""
    from aigestion.bootstrap.roles import run_project

    _run("project", lambda settings, ready: run_project(settings, names, ready))


@click.command(epilog="Example:  aigestion agents")
def agents() -> None:
    """Run agents; any number of processes may. SIGTERM lets reactions under way end."""
    from aigestion.bootstrap.roles import run_agents

    _run("agents", run_agents)


def _run(
    name: str,
    role: "Callable[[Settings, Callable[[str], None]], Coroutine[Any, Any, None]]",
) -> None:
    import uvloop

    from aigestion.observability.logging import configure_logging
    from aigestion.settings import load_settings

    settings = load_settings()
    configure_logging(settings.logging.level, settings.logging.format)
    uvloop.run(role(settings, lambda url: click.echo(f"{name} is ready: {url}/health/ready")))
