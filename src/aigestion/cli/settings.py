"""`aigestion settings`: the whole tree, secrets masked."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from aigestion.cli.options import json_option
from aigestion.cli.text import json_line, table

if TYPE_CHECKING:
    from pydantic import BaseModel


@click.command(epilog="Example:  AIGESTION_HTTP__PORT=9000 aigestion settings")
@json_option
def settings(as_json: bool) -> None:
    """Print every setting as it stands; secrets are masked."""
    from aigestion.settings import load_settings

    tree = load_settings()
    if as_json:
        click.echo(json_line(tree.model_dump(mode="json")))
        return
    click.echo(table(["SETTING", "VALUE", "VARIABLE"], _rows(tree)))


def _rows(group: "BaseModel", path: tuple[str, ...] = ()) -> Iterator[tuple[str, str, str]]:
    from pydantic import BaseModel

    for name in type(group).model_fields:
        value: Any = getattr(group, name)
        here = (*path, name)
        if isinstance(value, BaseModel):
            yield from _rows(value, here)
        else:
            shown = "" if value is None else str(value)
            yield ".".join(here), shown, "AIGESTION_" + "__".join(here).upper()
