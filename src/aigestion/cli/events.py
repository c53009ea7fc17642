"""`aigestion events`: the log, line by line."""

import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aigestion.cli.connection import need_running, open_log, servers, whose
from aigestion.cli.options import data_dir_option, json_option, run, tenant_option
from aigestion.cli.text import json_line, one_line, quiet, second, shortened

if TYPE_CHECKING:
    from aigestion.events.recorded import Recorded
    from aigestion.eventstore.reader import LogReader
    from aigestion.kernel.query import Query

PAGE_EVENTS_MAX = 200
POLL_SECONDS = 0.2
FOLLOW_BACK = 10
WIDTH_IN_A_PIPE = 200

_HEAD = f"{'POSITION':>8}  {'TIME':<20}  {'TYPE':<21}  {'ACTOR':<16}  WHAT"


@click.command(epilog="Example:  aigestion events --type 'user.*' --after -100 --json")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--type", "patterns", multiple=True, help="Only these types, e.g. 'user.*'.")
@click.option("--tag", help="Only what carries this tag, e.g. conversation:<id>.")
@click.option(
    "--after",
    type=int,
    help="Only later positions; -10 counts back from the head.  [default: 0; -10 with --follow]",
)
@click.option("--limit", type=click.IntRange(min=1), help="Stop after as many.")
@click.option("--all-tenants", is_flag=True, help="Everybody's.")
@tenant_option
@data_dir_option
@json_option
def events(
    follow: bool,
    patterns: tuple[str, ...],
    tag: str | None,
    after: int | None,
    limit: int | None,
    all_tenants: bool,
    tenant: str | None,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Print the log's events in order of position, opened."""
    if all_tenants and (tag or tenant):
        raise click.UsageError("--all-tenants goes with neither --tenant nor --tag.")
    types = _types(patterns)
    if follow and servers() is None:
        need_running(data_dir)
    if after is None:
        after = -FOLLOW_BACK if follow else 0

    async def show() -> None:
        async with open_log(data_dir) as log:
            query = _query(types, tag, None if all_tenants else whose(tenant, log))
            start = after if after >= 0 else max(await log.reader.head() + after, 0)
            if not as_json:
                click.echo(click.style(_HEAD, bold=True))
            async for page in _pages(log.reader, query, start, limit, follow):
                click.echo("\n".join(map(json_line if as_json else _row, page)))

    run(show())


def _types(patterns: Sequence[str]) -> tuple[str, ...]:
    """The event types that match any pattern; none asked for: none named, which means all."""
    from aigestion.events.catalog import EVENTS

    known = [event.stored_as for event in EVENTS]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise click.UsageError(
                f"There is no event type {pattern!r}; there are {', '.join(known)}."
            )
    return tuple(name for name in known if any(fnmatchcase(name, one) for one in patterns))


def _query(types: tuple[str, ...], tag: str | None, tenant: str | None) -> "Query":
    from aigestion.kernel.query import Query, QueryItem

    query = Query((QueryItem(types, (tag,) if tag else ()),))
    return query if tenant is None else query.scoped(tenant)


async def _pages(
    reader: "LogReader", query: "Query", after: int, limit: int | None, follow: bool
) -> AsyncIterator[list["Recorded[Any]"]]:
    from asyncio import sleep

    left = limit
    while left is None or left > 0:
        wanted = PAGE_EVENTS_MAX if left is None else min(left, PAGE_EVENTS_MAX)
        page = await reader.read(query, after=after, limit=wanted)
        if page:
            yield page
            after = page[-1].position
            left = None if left is None else left - len(page)
        elif not follow:
            return
        else:
            await sleep(POLL_SECONDS)


def _row(event: "Recorded[Any]") -> str:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH_IN_A_PIPE
    left = (
        f"{event.position:>8}  {second(event.occurred_at)}  {event.type:<21}  "
        f"{one_line(event.actor):<16}  "
    )
    return left + quiet(shortened(_what(event), max(width - len(left), 20)))


def _what(event: "Recorded[Any]") -> str:
    """The fields of the event's data, what people wrote first."""
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(event.data)
    said = [fields.pop(name) for name in ("text", "transcript", "message") if fields.get(name)]
    rest = [
        f"{name}={value if isinstance(value, str) else json_line(value)}"
        for name, value in fields.items()
        if value not in (None, "", (), [], {})
    ]
    return "  ".join([*said, *rest])
