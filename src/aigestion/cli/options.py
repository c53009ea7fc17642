"""Options that commands share, and the seam between click and asyncio."""

import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

DATA_DIR = Path(".aigestion")

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


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; Ctrl-C cancels it and lets it clean up."""
    import asyncio

    return asyncio.run(work)


def _data_dir(_ctx: click.Context, _option: click.Parameter, value: Path | None) -> Path:
    if value is None and os.environ.get("AIGESTION_SETTINGS_FILE"):
        from aigestion.settings import load_settings

        return load_settings().data_dir
    return value or DATA_DIR
