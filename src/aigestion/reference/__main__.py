"""`python -m aigestion.reference --check | --write`: whether `docs/reference` says what the code says."""

from collections.abc import Callable
from pathlib import Path

import click

from aigestion.events.catalog import EVENTS
from aigestion.messaging.asyncapi import document_json
from aigestion.reference import released
from aigestion.reference.catalogs import commands_page, events_page, projections_page
from aigestion.reference.http import http_page, openapi_json
from aigestion.reference.program import cli_page, errors_page, settings_page

FOLDER = Path("docs/reference")
SCHEMAS = "schemas"
"""Under it: shapes that were published. Those of older versions stay; none is changed so that it breaks."""

PAGES: dict[str, Callable[[], str]] = {
    "events.md": events_page,
    "commands.md": commands_page,
    "projections.md": projections_page,
    "settings.md": settings_page,
    "errors.md": errors_page,
    "http.md": http_page,
    "openapi.json": openapi_json,
    "cli.md": cli_page,
    "asyncapi.json": lambda: document_json().decode(),
}


@click.command()
@click.option("--check", "mode", flag_value="check", help="Exit 1 and name what has drifted.")
@click.option("--write", "mode", flag_value="write", help="Write what has drifted.")
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True)
def main(mode: str | None, folder: Path) -> None:
    """Compare the reference with the catalogs, or write it."""
    if mode is None:
        raise click.UsageError("Say --check or --write.")
    shapes = released.shapes(EVENTS)
    if breaks := released.broken(folder / SCHEMAS, shapes):
        click.echo("\n".join(breaks), err=True)
        click.echo("Subscribers rely on these shapes: raise the event's version instead.", err=True)
        raise SystemExit(1)
    wanted = {name: make() for name, make in PAGES.items()}
    wanted |= {f"{SCHEMAS}/{name}": released.text(schema) for name, schema in shapes.items()}
    drifted = [name for name, text in wanted.items() if _read(folder / name) != text]
    strange = sorted(
        path.name for path in folder.glob("*") if path.is_file() and path.name not in wanted
    )
    if mode == "write":
        (folder / SCHEMAS).mkdir(parents=True, exist_ok=True)
        for name in drifted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        for name in strange:
            (folder / name).unlink()
    for name in (*drifted, *strange):
        click.echo(f"{folder / name}: {'written' if mode == 'write' else 'differs from the code'}")
    if mode == "check" and (drifted or strange):
        click.echo("Run: make reference", err=True)
        raise SystemExit(1)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    main()
