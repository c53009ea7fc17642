"""`aigestion agents`: run them; list, show and define a tenant's own, and go back to an earlier version."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aigestion.cli.connection import running, servers
from aigestion.cli.for_tenant import acting, looking
from aigestion.cli.options import data_dir_option, json_option, run, tenant_option
from aigestion.cli.roles import run_role
from aigestion.cli.text import json_line, lines, table
from aigestion.kernel.errors import AIGestionError, InvalidInput, NotFound

if TYPE_CHECKING:
    from aigestion.events.directory import AgentDefined
    from aigestion.events.recorded import Recorded


@click.group(
    invoke_without_command=True,
    epilog="Example:  aigestion agents, as a role; aigestion agents list, to see what there is",
)
@json_option
@click.pass_context
def agents(ctx: click.Context, as_json: bool) -> None:
    """Run agents, if no command is given; any number of processes may. SIGTERM lets reactions under way end.

    The commands show and change the agents of a tenant.
    """
    if ctx.invoked_subcommand is None:
        from aigestion.bootstrap.roles import run_agents

        run_role("agents", run_agents, as_json)


@agents.command("list", epilog="Example:  aigestion agents list --tenant acme")
@tenant_option
@data_dir_option
@json_option
def list_(tenant: str | None, data_dir: Path, as_json: bool) -> None:
    """The agents that answer here: the program's, and those the tenant defined."""
    latest: dict[str, Any] = {}
    for one in run(_all_versions(None, tenant, data_dir)):
        latest[one.agent] = one
    found = [latest[name] for name in sorted(latest)]
    if as_json:
        for one in found:
            click.echo(json_line(one))
        return
    rows = [(o.agent, str(o.agent_version), " ".join(o.hears), o.description) for o in found]
    click.echo(table(("AGENT", "VERSION", "HEARS", "DESCRIPTION"), rows))


@agents.command(epilog="Example:  aigestion agents versions assistant --json")
@click.argument("agent")
@tenant_option
@data_dir_option
@json_option
def versions(agent: str, tenant: str | None, data_dir: Path, as_json: bool) -> None:
    """Every version of an agent; 0 is what the program brings."""
    for one in run(_all_versions(agent, tenant, data_dir)):
        back = "" if one.rolled_back_to is None else f"  (as version {one.rolled_back_to})"
        plain = f"{one.agent_version:>3}  {one.description}{back}"
        click.echo(json_line(one) if as_json else lines(plain))


@agents.command(epilog="Example:  aigestion agents show assistant")
@click.argument("agent")
@click.option("--version", type=click.IntRange(min=0), help="Which one; the latest if not given.")
@tenant_option
@data_dir_option
@json_option
def show(
    agent: str, version: int | None, tenant: str | None, data_dir: Path, as_json: bool
) -> None:
    """One version of an agent, with its instructions."""
    found = run(_all_versions(agent, tenant, data_dir))
    chosen = [one for one in found if version in (None, one.agent_version)]
    if not chosen:
        raise NotFound("There is no such version of the agent.")
    one = chosen[-1]
    if as_json:
        click.echo(json_line(one))
        return
    click.echo(
        lines(
            f"{one.agent}, version {one.agent_version}: {one.description}\n"
            f"model: {one.model or 'the one of this installation'}\n"
            f"hears: {' '.join(one.hears)}\n"
            f"documents: {'all' if one.documents is None else ' '.join(map(str, one.documents))}\n\n"
            f"{one.instructions}"
        )
    )


@agents.command(epilog="Example:  aigestion agents define assistant definition.json --expect 2")
@click.argument("agent")
@click.argument("file", type=click.File("rb"))
@click.option("--expect", type=click.IntRange(min=0), help="The version you have seen.")
@tenant_option
@data_dir_option
@json_option
def define(
    agent: str, file: Any, expect: int | None, tenant: str | None, data_dir: Path, as_json: bool
) -> None:
    """Make one more version from a file, or - for standard input: what PUT /v1/agents/{name} takes."""
    from aigestion.api.body import parse_body
    from aigestion.api.v1.new_definition import Definition
    from aigestion.commands.directory.define_agent import DefineAgent, is_agent_name

    if not is_agent_name(agent):
        raise InvalidInput(f"{agent!r} cannot name an agent: small letters, digits and -.")
    with _every_fault_told():
        wanted = parse_body(Definition, file.read()).of(agent)
        command = DefineAgent(wanted=wanted, models=_models(data_dir), expected_version=expect)
        _tell(agent, run(_changed(command, agent, tenant, data_dir)), as_json)


@agents.command(epilog="Example:  aigestion agents rollback assistant 1")
@click.argument("agent")
@click.argument("version", type=click.IntRange(min=0))
@click.option("--expect", type=click.IntRange(min=0), help="The version you have seen.")
@tenant_option
@data_dir_option
@json_option
def rollback(
    agent: str,
    version: int,
    expect: int | None,
    tenant: str | None,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Make one more version that says what an earlier one said; nothing is taken away."""
    from aigestion.commands.directory.define_agent import RollBackAgent

    command = RollBackAgent(
        agent=agent, to_version=version, builtin=_builtin().get(agent), expected_version=expect
    )
    _tell(agent, run(_changed(command, agent, tenant, data_dir)), as_json)


async def _changed(command: Any, agent: str, tenant: str | None, data_dir: Path) -> tuple[int, int]:
    """The version that stands then, and the position to read it at."""
    async with acting(tenant, data_dir) as (dispatcher, context):
        outcome = await dispatcher.dispatch(command, context)
    if outcome.events:
        return outcome.events[-1].data.agent_version, outcome.position  # type: ignore[attr-defined]
    return (await _all_versions(agent, tenant, data_dir))[-1].agent_version, outcome.position


async def _all_versions(
    agent: str | None, tenant: str | None, data_dir: Path
) -> "list[AgentDefined]":
    """Versions in order, of one agent or of all; `NotFound` if there is none of it."""
    from aigestion.events.directory import AgentDefined
    from aigestion.kernel.query import matching

    tags = () if agent is None else (f"agent:{agent}",)
    async with looking(tenant, data_dir) as (reader, whose):
        query = matching(*tags, types=(AgentDefined.stored_as,)).scoped(whose)
        recorded: list[Recorded[AgentDefined]] = await reader.read(query)
    builtin = [one for name, one in _builtin().items() if agent in (None, name)]
    found = [*builtin, *(one.data for one in recorded)]
    if agent is not None and not found:
        raise NotFound("There is no such agent.")
    return found


def _models(data_dir: Path) -> tuple[str, ...]:
    """What a definition may name: with the running system, else with the settings of this command."""
    from aigestion.bootstrap.models import offered_models
    from aigestion.settings import load_settings

    doors = None if servers() else running(data_dir)
    return doors.models if doors and doors.models else tuple(offered_models(load_settings()))


def _builtin() -> "dict[str, AgentDefined]":
    from aigestion.agents.catalog import AGENTS
    from aigestion.agents.definition import as_event

    return {agent.name: as_event(agent) for agent in AGENTS}


def _tell(agent: str, changed: tuple[int, int], as_json: bool) -> None:
    version, position = changed
    told = {"agent": agent, "agent_version": version, "position": position}
    click.echo(json_line(told) if as_json else f"agent {agent} is at version {version}")


@contextmanager
def _every_fault_told() -> Iterator[None]:
    try:
        yield
    except AIGestionError as error:
        import msgspec

        faults = msgspec.to_builtins(error.details.get("errors", []))
        sentences = [f"{fault['field']}: {fault['message']}." for fault in faults]
        error.message = " ".join([error.message, *sentences])
        raise
