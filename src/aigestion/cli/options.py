"""Options that commands share, and the seam between click and asyncio."""

import os
import re
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

DATA_DIR = Path(".aigestion")
POSITION_MAX = 2**63 - 1

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def data_dir_option(command: F) -> F:
    """`--data-dir`: where the system keeps its state."""
    return click.option(
        "--data-dir",
        envvar="AIGESTION_DATA_DIR",
        show_envvar=True,
        type=click.Path(file_okay=False, path_type=Path),
        callback=_data_dir,
        help=f"Where the system keeps its state.  [default: {DATA_DIR}]",
    )(command)


def json_option(command: F) -> F:
    """`--json`: for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        command
    )


def tenant_option(command: F) -> F:
    """`--tenant`: whose events."""
    return click.option("--tenant", help="Whose events; the demo's tenant if not given.")(command)


def http_options(command: F) -> F:
    """`--url` and `--key`: ask a system over HTTP, as any client does."""
    with_key = click.option(
        "--key",
        envvar="AIGESTION_KEY",
        show_envvar=True,
        help="With --url: the API key, which also says whose events.",
    )(command)
    return click.option(
        "--url",
        envvar="AIGESTION_URL",
        show_envvar=True,
        metavar="URL",
        help="Ask the system at this address over HTTP, instead of reading its log.",
    )(with_key)


def beyond_http(command: F) -> F:
    """Says of a command that HTTP does not show enough for it, to who asks with `--url`."""

    def refuse(ctx: click.Context, _option: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise click.UsageError(
                f"{ctx.info_name} needs the log itself, which HTTP does not show: "
                "run it on a --data-dir, or with AIGESTION_POSTGRES_URL."
            )

    for option in ("--url", "--key"):
        command = click.option(option, hidden=True, expose_value=False, callback=refuse)(command)
    return command


class Moment(click.ParamType[datetime]):
    """A time: ISO 8601, UTC if it names no zone; or how long ago, as in `90m`, `36h`, `7d`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if ago := _AGO.fullmatch(value):
            try:
                return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
            except OverflowError:
                self.fail(f"{value!r} is longer ago than there is time.", param, ctx)
        try:
            moment = datetime.fromisoformat(value)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return aware.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time, such as 2026-05-04T12:00Z or 36h (ago).", param, ctx)


class Point(click.ParamType[int | datetime]):
    """A place in the log: a position, or a time as `Moment` takes it."""

    name = "position|time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | datetime:
        if value.isascii() and value.isdigit():
            position = int(value)
            if not 1 <= position <= POSITION_MAX:
                self.fail(f"{value} is no position: they are 1 and up.", param, ctx)
            return position
        return Moment().convert(value, param, ctx)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; Ctrl-C cancels it and lets it clean up."""
    import asyncio

    return asyncio.run(work)


def run_until_told(work: Coroutine[Any, Any, None]) -> NoReturn:
    """Run a part of the system until a signal ends it, then leave at once, with exit code 0.

    All it opened is closed by then. An ordinary exit would go on to destroy what native libraries
    keep for good, Arrow's and ClickHouse's: seconds on a busy machine, and nobody's gain.
    """
    import logging

    import uvloop

    uvloop.run(work)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


_AGO = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def _data_dir(_ctx: click.Context, _option: click.Parameter, value: Path | None) -> Path:
    if value is None and os.environ.get("AIGESTION_SETTINGS_FILE"):
        from aigestion.settings import load_settings

        return load_settings().data_dir
    return value or DATA_DIR
