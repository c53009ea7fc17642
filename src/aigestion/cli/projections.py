"""`aigestion projections`: how far each read model is; rebuild one; prove one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aigestion.cli.options import data_dir_option, json_option, run
from aigestion.cli.progress import progress
from aigestion.cli.text import bad, good, json_line, one_line, table
from aigestion.kernel.errors import Unavailable

if TYPE_CHECKING:
    from aigestion.cli.views import ReadModelRow, Step, Views


@click.group(epilog="Example:  aigestion projections status")
def projections() -> None:
    """Read models: how far each one is; rebuild or prove one."""


@projections.command(epilog="Example:  aigestion projections status --json")
@data_dir_option
@json_option
def status(data_dir: Path, as_json: bool) -> None:
    """Print every read model, the position it reflects, and how far that is behind the log."""

    async def show() -> None:
        from aigestion.cli.views import open_views

        async with open_views(data_dir) as views:
            rows = await views.status()
        if as_json:
            click.echo(json_line(rows))
            return
        cells = [
            (row.name, row.view or "", row.state, str(row.position), str(row.lag), _trouble(row))
            for row in rows
        ]
        click.echo(table(["NAME", "VIEW", "STATE", "POSITION", "LAG", ""], cells))

    run(show())


@projections.command(epilog="Example:  aigestion projections rebuild conversations")
@click.argument("name")
@data_dir_option
@json_option
def rebuild(name: str, data_dir: Path, as_json: bool) -> None:
    """Fill a new view from the log beside the one that serves, compare it, and switch."""

    async def work() -> None:
        from aigestion.cli.views import open_views

        async with open_views(data_dir) as views:
            result = await finished(f"rebuilding {name}", views.rebuild(name))
        click.echo(json_line(result) if as_json else f"{good('rebuilt')} {_said(result)}")

    run(work())


@projections.command(epilog="Example:  aigestion projections verify conversations")
@click.argument("name", required=False)
@data_dir_option
@json_option
def verify(name: str | None, data_dir: Path, as_json: bool) -> None:
    """Fold the log in memory and compare a view's rows with it; all views without a NAME."""

    async def work() -> bool:
        from aigestion.cli.views import open_views

        equal = True
        async with open_views(data_dir) as views:
            for one in [name] if name else await serving(views):
                result = await finished(f"verifying {one}", views.verify(one))
                equal = equal and not result.get("differing_rows")
                click.echo(json_line(result) if as_json else compared(result))
        return equal

    if not run(work()):
        click.get_current_context().exit(1)


async def serving(views: "Views") -> list[str]:
    """The projections that have a view that serves."""
    return [row.name for row in await views.status() if row.view is not None]


async def finished(title: str, steps: "AsyncIterator[Step]") -> dict[str, Any]:
    """Show the steps as a progress bar; returns the result of the last."""
    reached = 0
    with progress(title) as advance:
        async for step in steps:
            if step.get("done"):
                result: dict[str, Any] = step["result"]
                return result
            reached = step["position"]
            advance(reached, step["head"])
    raise Unavailable(f"{title} broke off at position {reached}.")


def compared(result: dict[str, Any]) -> str:
    """One line about a verified view."""
    where = f"view {one_line(str(result['view']))} at position {result['position']}"
    if not result["differing_rows"]:
        return f"{good('ok')}    {where}: {result['found']['rows']} rows equal the fold of the log"
    return f"{bad('FAIL')}  {where}: {differs(result)}"


def differs(result: dict[str, Any]) -> str:
    """Which row of a view differs first."""
    first = result["first"]
    row = one_line(f"{first['collection']}/{first['key']}")
    since = f"of position {first['position']}" if first["position"] else "of no event"
    what = "is missing" if first["found"] is None else "is not what the log makes it"
    return f"{result['differing_rows']} rows differ; first {row} ({since}) {what}"


def _trouble(row: "ReadModelRow") -> str:
    if row.error is None:
        return ""
    return row.error if row.error_position is None else f"{row.error} (at {row.error_position})"


def _said(result: dict[str, Any]) -> str:
    view = "{projection}_v{version}_g{generation}".format(**result["view"])
    rows = result["fingerprint"]["rows"]
    return f"{one_line(view)}: serves at position {result['position']}, {rows} rows equal the fold"
