"""`aigestion up`: the whole system in one process."""

from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

import click

from aigestion.cli.options import DATA_DIR, data_dir_option, run_until_told
from aigestion.cli.text import json_line, table

if TYPE_CHECKING:
    from aigestion.embedded.connect_file import Doors

PORT_MAX = 65535


@click.command(epilog="Example:  aigestion up --data-dir /var/lib/aigestion --port 8080")
@click.option(
    "--port", type=click.IntRange(0, PORT_MAX), help="Of the HTTP API; 0 picks a free one."
)
@click.option(
    "--search",
    type=click.Choice(["postgres", "elasticsearch"]),
    help="Who searches, from now on; a local Elasticsearch is fetched by Maven the first time.  "
    "[default: as before, at first postgres]",
)
@click.option("--demo/--no-demo", default=True, help="With the demo tenant, its key and documents.")
@click.option(
    "--documents",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Whose .txt and .md files the demo's agents answer from, from now on; read at every start.  "
    "[default: as before, at first this project's own documentation]",
)
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the doors as JSON once they are open.")
def up(
    port: int | None,
    search: str | None,
    demo: bool,
    documents: Path | None,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Run the whole system here, on embedded engines.

    API, relay, read models and agents in one process; state and secrets in the data dir. Ctrl-C
    or SIGTERM finishes what is under way and stops.
    """
    if documents is not None and not demo:
        raise click.UsageError("--documents are the demo tenant's: they need --demo.")
    from aigestion.bootstrap.up import run_up
    from aigestion.observability.logging import configure_logging
    from aigestion.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    if port is not None:
        http = settings.http.model_copy(update={"port": port})
        settings = settings.model_copy(update={"http": http})
    configure_logging(settings.logging.level, settings.logging.format)

    def ready(doors: "Doors") -> None:
        click.echo(json_line(doors) if as_json else welcome(doors, data_dir))

    run_until_told(run_up(settings, demo=demo, documents=documents, search=search, ready=ready))


def welcome(doors: "Doors", data_dir: Path) -> str:
    """What runs where, and what to try next."""
    rows = [
        ("HTTP API", doors.http_url, "try it out at /schema"),
        ("dashboard", f"{doors.http_url}/dashboard", "sign in with the API key"),
        ("API key", doors.api_key or "none", f"kept in {data_dir / 'demo.key'}"),
        ("NATS", doors.nats_url, f"subscribe to events.{doors.tenant}.>"),
        ("PostgreSQL", doors.postgres_dsn.rpartition("@")[2], "the event log, and read models"),
        ("ClickHouse", "in this process", "analytics"),
        ("Qdrant", "in this process", "vectors"),
        ("search", doors.search, "full text"),
    ]
    here = [] if data_dir == DATA_DIR else ["--data-dir", str(data_dir)]
    commands = [
        ["aigestion", "ask", "what is a dense position?", *here],
        ["aigestion", "events", "--follow", *here],
        ["aigestion", "audit", "verify", *here],
    ]
    return "\n".join(
        [
            click.style(f"AIGestion {doors.version} is running on {data_dir}.", bold=True),
            "",
            table(["WHAT", "WHERE", ""], rows),
            "",
            f"Every door and credential is in {data_dir / 'connect.json'}. Try next:",
            "",
            *(f"  {join(command)}" for command in commands),
            "",
            "Ctrl-C stops.",
        ]
    )
