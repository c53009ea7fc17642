"""The group `aigestion`: lists its commands, and turns every error into one line and an exit code."""

import os
from typing import Any

import click

from aigestion import __version__
from aigestion.cli.agents import agents
from aigestion.cli.ask import ask, chat
from aigestion.cli.audit import audit
from aigestion.cli.doctor import doctor
from aigestion.cli.events import events
from aigestion.cli.explain import explain
from aigestion.cli.keys import keys
from aigestion.cli.nats import nats
from aigestion.cli.projections import projections
from aigestion.cli.prove import prove
from aigestion.cli.replay import replay
from aigestion.cli.roles import api, migrate, project, relay
from aigestion.cli.settings import settings
from aigestion.cli.tenants import tenants
from aigestion.cli.text import bad, one_line
from aigestion.cli.up import up
from aigestion.kernel.errors import AIGestionError

COMMANDS = (
    up,
    ask,
    chat,
    events,
    explain,
    replay,
    audit,
    projections,
    tenants,
    nats,
    keys,
    doctor,
    prove,
    settings,
    migrate,
    api,
    relay,
    project,
    agents,
)
INTERRUPTED = 130


class Face(click.Group):
    """Says what went wrong in one line; lists commands in the order people meet them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            return super().invoke(ctx)
        except AIGestionError as error:
            raise Failed(error) from error
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


class Failed(click.ClickException):
    """One line on standard error; exit code 1."""

    def __init__(self, error: AIGestionError) -> None:
        super().__init__(error.message)

    def show(self, file: Any = None) -> None:
        click.echo(f"{bad('error:')} {one_line(self.message)}", err=True)


@click.group(
    cls=Face,
    commands=list(COMMANDS),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Example:  aigestion up, then in another terminal: aigestion ask "what is a dense position?"',
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def aigestion() -> None:
    """The event-sourced backend for AI agents: rewind, re-run, recall."""
