"""`python -m aigestion.reference --check | --write`: whether what is made from the catalogs says what they say."""

from collections.abc import Callable
from pathlib import Path

import click

from aigestion.api.graphql.schema import sdl
from aigestion.events.catalog import EVENTS
from aigestion.messaging.asyncapi import document_json
from aigestion.reference import released
from aigestion.reference.analytics import analytics_page
from aigestion.reference.catalogs import commands_page, events_page, projections_page
from aigestion.reference.grafana import dashboard_json
from aigestion.reference.http import http_page, openapi_json
from aigestion.reference.program import cli_page, errors_page, settings_page
from aigestion.reference.socket import socket_page

SCHEMAS = Path("docs/reference/schemas")
"""Shapes that were published. Those of older versions stay; none is changed so that it breaks."""

PAGES: dict[str, Callable[[], str]] = {
    "events.md": events_page,
    "commands.md": commands_page,
    "projections.md": projections_page,
    "analytics.md": analytics_page,
    "settings.md": settings_page,
    "errors.md": errors_page,
    "http.md": http_page,
    "openapi.json": openapi_json,
    "schema.graphql": sdl,
    "socket.md": socket_page,
    "cli.md": cli_page,
    "asyncapi.json": lambda: document_json().decode(),
}


DASHBOARDS: dict[str, Callable[[], str]] = {"aigestion.json": dashboard_json}

FOLDERS = {Path("docs/reference"): PAGES, Path("deploy/grafana/dashboards"): DASHBOARDS}
"""Nothing else is in these, but what was measured."""
MEASURED = frozenset({"guarantees.md", "performance.md", "performance.svg"})


@click.command()
@click.option("--check", "mode", flag_value="check", help="Exit 1 and name what has drifted.")
@click.option("--write", "mode", flag_value="write", help="Write what has drifted.")
@click.option("--root", type=click.Path(path_type=Path), default=Path(), help="Of the repository.")
def main(mode: str | None, root: Path) -> None:
    """Compare what is made from the catalogs with them, or write it."""
    if mode is None:
        raise click.UsageError("Say --check or --write.")
    shapes = released.shapes(EVENTS)
    if breaks := released.broken(root / SCHEMAS, shapes):
        click.echo("\n".join(breaks), err=True)
        click.echo("Subscribers rely on these shapes: raise the event's version instead.", err=True)
        raise SystemExit(1)
    wanted = {
        root / folder / name: make()
        for folder, files in FOLDERS.items()
        for name, make in files.items()
    }
    wanted |= {root / SCHEMAS / name: released.text(shape) for name, shape in shapes.items()}
    drifted = [path for path, text in wanted.items() if _read(path) != text]
    there = [path for folder in FOLDERS for path in (root / folder).glob("*") if path.is_file()]
    strange = sorted(path for path in there if path not in wanted and path.name not in MEASURED)
    if mode == "write":
        for path in drifted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        for path in strange:
            path.unlink()
    for path in (*drifted, *strange):
        click.echo(f"{path}: {'written' if mode == 'write' else 'differs from the code'}")
    if mode == "check" and (drifted or strange):
        click.echo("Run: make reference", err=True)
        raise SystemExit(1)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    main()
