"""How events are printed: a row each for people; one JSON array, or a JSON object a line, for programs."""

import shutil
import sys
from typing import TYPE_CHECKING, Any, Protocol

import click

from aigestion.cli.text import json_line, one_line, quiet, second, shortened

if TYPE_CHECKING:
    from aigestion.events.recorded import Recorded

WIDTH_IN_A_PIPE = 200

_HEAD = f"{'POSITION':>8}  {'TIME':<20}  {'TYPE':<21}  {'ACTOR':<16}  WHAT"


class EventWriter(Protocol):
    """Prints events as they come: no more than a page of them is ever in memory."""

    def begin(self) -> None: ...

    def write(self, page: "list[Recorded[Any]]") -> None: ...

    def end(self) -> None: ...


class Rows:
    """A head, and a row an event."""

    def begin(self) -> None:
        click.echo(click.style(_HEAD, bold=True))

    def write(self, page: "list[Recorded[Any]]") -> None:
        click.echo("\n".join(map(_row, page)))

    def end(self) -> None:
        """Nothing closes it."""


class JsonLines:
    """An object a line."""

    def begin(self) -> None:
        """Nothing opens it."""

    def write(self, page: "list[Recorded[Any]]") -> None:
        click.echo("\n".join(map(json_line, page)))

    def end(self) -> None:
        """Nothing closes it."""


class JsonArray:
    """One document; in it, an object a line."""

    def __init__(self) -> None:
        self._between = "["

    def begin(self) -> None:
        """The first page opens it: a fault before it leaves nothing half said."""

    def write(self, page: "list[Recorded[Any]]") -> None:
        click.echo(self._between + ",\n".join(map(json_line, page)), nl=False)
        self._between = ",\n"

    def end(self) -> None:
        click.echo("[]" if self._between == "[" else "]")


def summary(event: "Recorded[Any]") -> str:
    """The fields of the event's data, what people wrote first. Not yet escaped."""
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(event.data)
    said = [fields.pop(name) for name in ("text", "transcript", "message") if fields.get(name)]
    rest = [
        f"{name}={value if isinstance(value, str) else json_line(value)}"
        for name, value in fields.items()
        if value not in (None, "", (), [], {})
    ]
    return "  ".join([*said, *rest])


def _row(event: "Recorded[Any]") -> str:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH_IN_A_PIPE
    left = (
        f"{event.position:>8}  {second(event.occurred_at)}  {event.type:<21}  "
        f"{one_line(event.actor):<16}  "
    )
    return left + quiet(shortened(summary(event), max(width - len(left), 20)))
