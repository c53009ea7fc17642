"""`aigestion replay`: a conversation as it stood, and what changed since; or every event into a fold."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from aigestion.cli.connection import Place, open_events
from aigestion.cli.options import (
    Point,
    data_dir_option,
    http_options,
    json_option,
    run,
    tenant_option,
)
from aigestion.cli.replayed_page import changes_page, page
from aigestion.cli.text import json_line

if TYPE_CHECKING:
    from aigestion.audit.replay import Changes, Replayed


def _complete_projection(_ctx: click.Context, _option: click.Parameter, begun: str) -> list[str]:
    from aigestion.projections.catalog import PROJECTIONS

    return [one.name for one in PROJECTIONS if one.name.startswith(begun)]


@click.command(epilog="Example:  aigestion replay 0199aa10-7c1e-7b1a-9d2c-0f4b1c2d3e4f --at 41")
@click.argument("conversation", type=click.UUID, required=False)
@click.option("--at", type=Point(), help="As it stood at this position, or before this time.")
@click.option(
    "--diff", "since", type=Point(), help="Only what changed since this position or time."
)
@click.option("--all", "every", is_flag=True, help="The whole log, into the fold of --project.")
@click.option(
    "--project",
    metavar="NAME",
    shell_complete=_complete_projection,
    help="With --all: the read model to fold.",
)
@click.option("--dry-run", is_flag=True, help="With --all: touch nothing, only compare.")
@tenant_option
@data_dir_option
@http_options
@json_option
def replay(
    conversation: UUID | None,
    at: int | datetime | None,
    since: int | datetime | None,
    every: bool,
    project: str | None,
    dry_run: bool,
    tenant: str | None,
    data_dir: Path,
    url: str | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Print a conversation as it stood, folded from the log alone.

    Or fold the whole log as a read model does, without touching anything, and compare every row with
    the view that serves: --all --project NAME --dry-run. Exit 1 if they differ. Over HTTP that takes
    the operator's key.
    """
    place = Place(data_dir, tenant, url=url, key=key)
    if every:
        if conversation or at or since or tenant:
            raise click.UsageError("--all goes with --project and --dry-run, and nothing else.")
        _compare(project, dry_run, place, as_json)
        return
    if conversation is None or project or dry_run:
        raise click.UsageError("Give a CONVERSATION; or --all --project NAME --dry-run.")
    if since is None:
        replayed = run(_replayed(conversation, at, place))
        click.echo(json_line(replayed) if as_json else page(replayed))
    else:
        changed = run(_changes(conversation, since, at, place))
        click.echo(json_line(changed) if as_json else changes_page(changed))


async def _replayed(conversation: UUID, at: int | datetime | None, place: Place) -> "Replayed":
    from aigestion.audit.reading import position_at
    from aigestion.audit.replay import replay as replay_log

    async with open_events(place) as log:
        moment = None if at is None else await position_at(log, at)
        return await replay_log(log, conversation, at=moment)


async def _changes(
    conversation: UUID, since: int | datetime, at: int | datetime | None, place: Place
) -> "Changes":
    from aigestion.audit.reading import position_at
    from aigestion.audit.replay import changes

    async with open_events(place) as log:
        begin = await position_at(log, since)
        end = await log.head() if at is None else await position_at(log, at)
        if begin > end:
            raise click.UsageError(f"--diff {begin} is later than --at {end}.")
        return await changes(log, conversation, since=begin, at=end)


def _compare(project: str | None, dry_run: bool, place: Place, as_json: bool) -> None:
    from aigestion.cli.projections import compared, finished
    from aigestion.cli.views import open_views

    if project is None:
        raise click.UsageError("--all needs --project NAME: the read model to fold.")
    if not dry_run:
        raise click.UsageError(
            f"A replay writes nothing: add --dry-run. What writes is: projections rebuild {project}."
        )

    async def work() -> bool:
        async with open_views(place) as views:
            result = await finished(f"replaying into {project}", views.verify(project))
        click.echo(json_line(result) if as_json else compared(result))
        return not result["differing_rows"] and not result.get("parked")

    if not run(work()):
        click.get_current_context().exit(1)
