"""`aigestion doctor`: every engine, setting and invariant, and what to do about it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aigestion.cli.connection import running
from aigestion.cli.options import data_dir_option, json_option, run
from aigestion.cli.text import bad, doubtful, good, json_line, one_line

if TYPE_CHECKING:
    from aigestion.cli.symptom import Symptom


@click.command(epilog="Example:  aigestion doctor")
@data_dir_option
@json_option
def doctor(data_dir: Path, as_json: bool) -> None:
    """Look at every engine, setting and invariant.

    Each line is ok, warn or fail, and says what to do; exit 1 if anything fails.
    """

    async def examine() -> bool:
        healthy = True
        async with aclosing(_symptoms(data_dir)) as symptoms:
            async for symptom in symptoms:
                healthy = healthy and symptom.state != "fail"
                click.echo(json_line(symptom) if as_json else _line(symptom))
        return healthy

    if not run(examine()):
        click.get_current_context().exit(1)


async def _symptoms(data_dir: Path) -> "AsyncGenerator[Symptom, None]":
    from aigestion.cli import checkup_at_rest as at_rest
    from aigestion.cli.symptom import ok

    settings, found = at_rest.look_at_settings()
    for symptom in found:
        yield symptom
    for symptom in at_rest.look_at_program():
        yield symptom
    for symptom in at_rest.look_at_data_dir(data_dir):
        yield symptom
    doors = running(data_dir)
    if doors is not None:
        from aigestion.cli.checkup_running import look_at_system

        yield ok("process", f"{doors.pid} runs version {doors.version}")
        async with aclosing(look_at_system(doors, data_dir)) as symptoms:
            async for symptom in symptoms:
                yield symptom
    elif settings is not None:
        yield ok("process", "nothing is running")
        yield at_rest.look_at_port(settings.http.host, settings.http.port)


def _line(symptom: "Symptom") -> str:
    state = {"ok": good, "warn": doubtful, "fail": bad}[symptom.state](f"{symptom.state:<4}")
    line = f"{state}  {symptom.part:<20}  {one_line(symptom.found)}"
    return line + (f"\n      -> {one_line(symptom.remedy)}" if symptom.remedy else "")
