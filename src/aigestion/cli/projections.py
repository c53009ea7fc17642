"""`aigestion projections`: how far each read model is; rebuild, go back, prove, redrive."""

from collections.abc import AsyncIterator, Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aigestion.cli.connection import Place
from aigestion.cli.options import data_dir_option, http_options, json_option, run
from aigestion.cli.progress import progress
from aigestion.cli.text import bad, good, json_line, one_line, second, table
from aigestion.kernel.errors import AIGestionError, Unavailable

if TYPE_CHECKING:
    from aigestion.cli.views import ReadModelRow, Step, Views


@click.group(epilog="Example:  aigestion projections status")
def projections() -> None:
    """Read models: how far each one is; rebuild one, go back, prove one; what is in quarantine."""


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Where the read models are: a data dir, or with `--url` a system that knows its operator's key."""

    @wraps(command)
    def with_place(
        *arguments: Any, data_dir: Path, url: str | None, key: str | None, **options: Any
    ) -> None:
        command(*arguments, place=Place(data_dir, url=url, key=key), **options)

    return data_dir_option(http_options(with_place))


@projections.command(epilog="Example:  aigestion projections status --json")
@place_options
@json_option
def status(place: Place, as_json: bool) -> None:
    """Print every read model, the position it reflects, and how far that is behind the log."""

    async def show() -> None:
        from aigestion.cli.views import open_views

        async with open_views(place) as views:
            rows = await views.status()
        if as_json:
            click.echo(json_line(rows))
            return
        cells = [
            (
                row.name,
                row.view or "",
                row.state,
                str(row.position),
                str(row.lag),
                str(row.parked_events),
                _remarks(row),
            )
            for row in rows
        ]
        click.echo(table(["NAME", "VIEW", "STATE", "POSITION", "LAG", "PARKED", ""], cells))

    run(show())


@projections.command(epilog="Example:  aigestion projections rebuild conversations")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Every read model, one after the other.")
@place_options
@json_option
def rebuild(name: str | None, every: bool, place: Place, as_json: bool) -> None:
    """Fill a new view from the log beside the one that serves, compare it, and switch.

    Nobody who asks notices. Broken off, it goes on where it was the next time. Of all, one that is
    refused (it is being built already) or fails does not keep the others waiting; the exit code is 1 then.
    """
    if every == bool(name):
        raise click.UsageError("Give a NAME, or --all.")

    async def work() -> bool:
        from aigestion.cli.views import open_views

        all_rebuilt = True
        async with open_views(place) as views:
            for one in [row.name for row in await views.status()] if name is None else [name]:
                try:
                    result = await finished(f"rebuilding {one}", views.rebuild(one))
                except AIGestionError as error:
                    if isinstance(error, Unavailable) or not every:
                        raise
                    all_rebuilt = False
                    click.echo(f"{bad('not rebuilt')} {one}: {one_line(error.message)}", err=True)
                    continue
                click.echo(json_line(result) if as_json else f"{good('rebuilt')} {_said(result)}")
        return all_rebuilt

    if not run(work()):
        click.get_current_context().exit(1)


@projections.command(epilog="Example:  aigestion projections rollback conversations")
@click.argument("name")
@place_options
@json_option
def rollback(name: str, place: Place, as_json: bool) -> None:
    """Bring the former view up to date and let it serve again; the one that did is kept.

    Its version is not built again by itself, until it is raised or a rebuild is asked for.
    """

    async def work() -> None:
        from aigestion.cli.views import open_views

        async with open_views(place) as views:
            result = await finished(f"going back with {name}", views.roll_back(name))
        click.echo(json_line(result) if as_json else f"{good('rolled back')} {_went_back(result)}")

    run(work())


@projections.command(epilog="Example:  aigestion projections verify conversations")
@click.argument("name", required=False)
@place_options
@json_option
def verify(name: str | None, place: Place, as_json: bool) -> None:
    """Fold the log and compare a view's rows with it; all views without a NAME."""

    async def work() -> bool:
        from aigestion.cli.views import open_views

        equal = True
        async with open_views(place) as views:
            for one in [name] if name else await serving(views):
                result = await finished(f"verifying {one}", views.verify(one))
                equal = equal and not result["differing_rows"] and not result.get("parked")
                click.echo(json_line(result) if as_json else compared(result))
        return equal

    if not run(work()):
        click.get_current_context().exit(1)


@projections.command(epilog="Example:  aigestion projections parked conversations")
@click.argument("name")
@place_options
@json_option
def parked(name: str, place: Place, as_json: bool) -> None:
    """Print the keys whose events are in quarantine: the first event of each, and why it is there."""

    async def show() -> None:
        from aigestion.cli.views import open_views

        async with open_views(place) as views:
            rows = await views.parked(name)
        if as_json:
            click.echo(json_line(rows))
            return
        cells = [
            (
                row.key,
                str(row.position),
                row.type,
                str(row.events),
                second(row.since),
                second(row.tried_at) if row.tried_at else "",
                row.error or "",
            )
            for row in rows
        ]
        head = ["KEY", "POSITION", "TYPE", "EVENTS", "SINCE", "TRIED", "ERROR"]
        click.echo(table(head, cells) if rows else f"{good('ok')} nothing of {name} is parked")

    run(show())


@projections.command(epilog="Example:  aigestion projections redrive conversations")
@click.argument("name")
@click.argument("parked_key", metavar="[KEY]", required=False)
@place_options
@json_option
def redrive(name: str, parked_key: str | None, place: Place, as_json: bool) -> None:
    """Apply what is in quarantine, in order, once its fault is gone; everything without a KEY."""

    async def work() -> bool:
        from aigestion.cli.views import open_views

        async with open_views(place) as views:
            result = await finished(f"redriving {name}", views.redrive(name, parked_key))
        click.echo(json_line(result) if as_json else _redriven(result))
        return not result["parked"]

    if not run(work()):
        click.get_current_context().exit(1)


async def serving(views: "Views") -> list[str]:
    """The projections that have a view that serves."""
    return [row.name for row in await views.status() if row.view is not None]


async def finished(title: str, steps: "AsyncIterator[Step]") -> dict[str, Any]:
    """Show the steps as a progress bar; returns the result of the last."""
    reached = 0
    result: dict[str, Any] | None = None
    with progress(title) as advance:
        async for step in steps:  # to its end: half-read answers are closed with noise
            if step.get("done"):
                result = step["result"]
            else:
                reached = step["position"]
                advance(reached, step["head"], step.get("stage"))
    if result is not None:
        return result
    raise Unavailable(f"{title} broke off at position {reached}.")


def compared(result: dict[str, Any]) -> str:
    """One line about a verified view."""
    where = f"view {one_line(str(result['view']))} at position {result['position']}"
    if not result["differing_rows"] and not result.get("parked"):
        return f"{good('ok')}    {where}: {result['found']['rows']} rows equal the fold of the log"
    return f"{bad('FAIL')}  {where}: {differs(result)}"


def differs(result: dict[str, Any]) -> str:
    """What a view lacks, and which row of it differs first."""
    if result.get("parked"):
        lacks = f"{result['parked']} parked events from position {result['parked_from']} on: redrive them"
        rest = _first_row(result) if result["differing_rows"] else "all other rows are equal"
        return f"{lacks}; {rest}"
    return _first_row(result)


def _first_row(result: dict[str, Any]) -> str:
    first = result["first"]
    row = one_line(f"{first['collection']}/{first['key']}")
    since = f"of position {first['position']}" if first["position"] else "of no event"
    what = "is missing" if first["found"] is None else "is not what the log makes it"
    return f"{result['differing_rows']} rows differ; first {row} ({since}) {what}"


def _remarks(row: "ReadModelRow") -> str:
    remarks = []
    if row.error is not None:
        at = "" if row.error_position is None else f" (at {row.error_position})"
        remarks.append(f"{row.error}{at}")
    first = row.parked_first
    if first is not None:
        keys = "1 key" if row.parked_keys == 1 else f"{row.parked_keys} keys"
        remarks.append(f"{keys} parked; first {first.key} at {first.position}: {first.error}")
    if row.building is not None:
        building = row.building
        remarks.append(
            f"{building.stage} {building.view or 'a view'} at {building.position}, "
            f"{building.events_per_second:,.0f}/s"
        )
    if row.newer is not None:
        remarks.append(f"newer programs serve {row.newer}")
    if row.retired is not None:
        remarks.append(f"can go back to {row.retired}")
    return "; ".join(remarks)


def _redriven(result: dict[str, Any]) -> str:
    applied = f"{one_line(result['view'])}: {result['position']} parked events applied"
    if not result["parked"]:
        return f"{good('ok')}    {applied}"
    first = result["failed"][0]
    why = one_line(f"{first['key']} at {first['position']}: {first['error']}")
    return f"{bad('FAIL')}  {applied}, {result['parked']} are parked still; first {why}"


def _said(result: dict[str, Any]) -> str:
    rows = result["fingerprint"]["rows"]
    where = f"serves at position {result['position']}"
    return f"{_view(result['view'])}: {where}, {rows} rows equal the fold"


def _went_back(result: dict[str, Any]) -> str:
    left = "" if result["left"] is None else f"; {_view(result['left'])} is kept"
    return f"{_view(result['view'])}: serves at position {result['position']}{left}"


def _view(view: dict[str, Any]) -> str:
    return one_line("{projection}_v{version}_g{generation}".format(**view))
