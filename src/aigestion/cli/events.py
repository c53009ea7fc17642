"""`aigestion events`: the log, line by line."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from aigestion.cli.connection import Place, need_running, open_events, servers
from aigestion.cli.event_rows import EventWriter, JsonArray, JsonLines, Rows
from aigestion.cli.options import (
    POSITION_MAX,
    Moment,
    data_dir_option,
    http_options,
    json_option,
    run,
    tenant_option,
)
from aigestion.cli.progress import progress

if TYPE_CHECKING:
    from aigestion.events.recorded import Recorded
    from aigestion.eventstore.reader import Events
    from aigestion.kernel.query import Query

PAGE_EVENTS_MAX = 1_000
"""As many as the feed answers at once; what bounds the memory."""
POLL_SECONDS = 0.2
FOLLOW_BACK = 10


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which events are asked for."""

    types: tuple[str, ...] = ()
    tag: str | None = None
    actor: str | None = None
    correlation: UUID | None = None
    after: int = 0
    """Counted back from the head if negative."""
    upto: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None

    @property
    def query(self) -> "Query":
        from aigestion.kernel.query import matching

        return matching(*([self.tag] if self.tag else []), types=self.types)

    async def span(self, events: "Events") -> tuple[int, int]:
        """The position after which to begin, and the last one to look at."""
        from aigestion.audit.reading import first_since

        head = await events.head()
        first = self.after if self.after >= 0 else max(head + self.after, 0)
        last = head if self.upto is None else min(head, self.upto)
        if self.since is not None:
            first = max(first, await first_since(events, self.since))
        if self.until is not None:
            last = min(last, await first_since(events, self.until))
        return first, last

    @property
    def page_events_max(self) -> int:
        """Fewer than usual if that will do."""
        few = self.limit if self.actor is None and self.correlation is None else None
        return PAGE_EVENTS_MAX if few is None else min(few, PAGE_EVENTS_MAX)

    def takes(self, event: "Recorded[Any]") -> bool:
        """What no query of the log asks."""
        return (self.actor is None or event.actor == self.actor) and (
            self.correlation is None or event.correlation_id == self.correlation
        )


def _types(
    _ctx: click.Context, _option: click.Parameter, patterns: Sequence[str]
) -> tuple[str, ...]:
    """The event types that match any pattern; none asked for: none named, which means all."""
    known = _known_types()
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise click.UsageError(
                f"There is no event type {pattern!r}; there are {', '.join(known)}."
            )
    return tuple(name for name in known if any(fnmatchcase(name, one) for one in patterns))


def _known_types() -> list[str]:
    from aigestion.events.catalog import EVENTS

    return [event.stored_as for event in EVENTS]


def _complete_type(_ctx: click.Context, _option: click.Parameter, begun: str) -> list[str]:
    return [name for name in (*_known_types(), "user.*", "run.*") if name.startswith(begun)]


@click.command(epilog="Example:  aigestion events --type 'user.*' --since 2h --jsonl")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "--type",
    "types",
    multiple=True,
    callback=_types,
    shell_complete=_complete_type,
    help="Only these types, e.g. 'user.*'.",
)
@click.option("--tag", help="Only what carries this tag, e.g. conversation:<id>.")
@click.option("--actor", help="Only what this actor did, e.g. user:ana or agent:assistant.")
@click.option("--correlation", type=click.UUID, help="Only what this request led to.")
@click.option(
    "--after",
    type=click.IntRange(-POSITION_MAX, POSITION_MAX),
    help="Only later positions; -10 counts back from the head.  [default: 0; -10 with --follow]",
)
@click.option("--upto", type=click.IntRange(1, POSITION_MAX), help="No later positions.")
@click.option("--since", type=Moment(), help="Only what was recorded from then on: ISO 8601 or 2h.")
@click.option("--until", type=Moment(), help="Only what was recorded before then.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after as many.")
@click.option("--all-tenants", is_flag=True, help="Everybody's.")
@tenant_option
@data_dir_option
@http_options
@json_option
@click.option("--jsonl", "as_jsonl", is_flag=True, help="Print JSON, one event a line.")
def events(
    follow: bool,
    after: int | None,
    all_tenants: bool,
    tenant: str | None,
    data_dir: Path,
    url: str | None,
    key: str | None,
    as_json: bool,
    as_jsonl: bool,
    **selected: Any,
) -> None:
    """Print the log's events in order of position, opened.

    Times are those at which events were recorded; without a zone they are UTC.
    """
    if all_tenants and (tenant or selected["tag"]):
        raise click.UsageError("--all-tenants goes with neither --tenant nor --tag.")
    if as_json and as_jsonl:
        raise click.UsageError("--json prints one array, --jsonl a line each: not both.")
    if follow and (as_json or selected["upto"] or selected["until"]):
        raise click.UsageError("--follow has no end: it goes with none of --json, --upto, --until.")
    selection = Selection(
        after=(-FOLLOW_BACK if follow else 0) if after is None else after, **selected
    )
    place = Place(data_dir, tenant, all_tenants, url, key)
    if follow and url is None and servers() is None:
        need_running(data_dir)
    writer = JsonLines() if as_jsonl else JsonArray() if as_json else Rows()
    run(_show(place, selection, follow, writer))


async def _show(place: Place, selection: Selection, follow: bool, writer: EventWriter) -> None:
    async with open_events(place) as log:
        writer.begin()
        async with aclosing(_selected(log, selection, follow)) as pages:  # type: ignore[type-var]
            async for page in pages:
                writer.write(page)
        writer.end()


async def _selected(
    log: "Events", selection: Selection, follow: bool
) -> AsyncIterator[list["Recorded[Any]"]]:
    """The events asked for, page by page; with `follow`, what comes is waited for."""
    from asyncio import sleep

    from aigestion.audit.reading import pages

    after, upto = await selection.span(log)
    left = selection.limit
    with progress("events", upto, shown=not sys.stdout.isatty()) as advance:
        while True:
            read = pages(
                log,
                selection.query,
                after=after,
                upto=upto,
                page_events_max=selection.page_events_max,
            )
            async with aclosing(read):
                async for page in read:
                    after = page[-1].position
                    advance(after)
                    taken = [event for event in page if selection.takes(event)][:left]
                    if taken:
                        yield taken
                    if left is not None and (left := left - len(taken)) <= 0:
                        return
            if not follow:
                return
            await sleep(POLL_SECONDS)
            after, upto = max(after, upto), await log.head()
