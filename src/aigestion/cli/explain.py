"""`aigestion explain`: why something is in the log, and what came of it, as a tree."""

from pathlib import Path
from uuid import UUID

import click

from aigestion.cli.connection import Place, open_events
from aigestion.cli.explained_tree import tree
from aigestion.cli.options import data_dir_option, http_options, json_option, run, tenant_option
from aigestion.cli.text import json_line


@click.command(epilog="Example:  aigestion explain 0199aa10-7c1e-7b1a-9d2c-0f4b1c2d3e4f")
@click.argument("event", metavar="EVENT|RUN", type=click.UUID)
@tenant_option
@data_dir_option
@http_options
@json_option
def explain(
    event: UUID, tenant: str | None, data_dir: Path, url: str | None, key: str | None, as_json: bool
) -> None:
    """Print what led to an event or a run, and all that it led to, as a tree of causes.

    What was said, which passages were found, what was asked of which model and what came back, each
    with its position and how long after its cause it came.
    """

    async def work() -> str:
        from functools import partial

        from aigestion.agents.documents import sources_found
        from aigestion.audit.explain import explain as explain_log

        async with open_events(Place(data_dir, tenant, url=url, key=key)) as log:
            explained = await explain_log(log, event, partial(sources_found, log))
        return json_line(explained) if as_json else tree(explained)

    click.echo(run(work()))
