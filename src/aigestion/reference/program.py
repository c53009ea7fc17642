"""Pages about the program: settings, errors, the command line."""

from collections.abc import Iterator
from typing import Any

import click
from pydantic import BaseModel

from aigestion.api.errors import REFUSALS, STATUS
from aigestion.cli.app import aigestion
from aigestion.events.described import sentence
from aigestion.kernel.errors import AIGestionError
from aigestion.reference.markdown import code, literal, page, section, table
from aigestion.reference.typenames import type_name
from aigestion.settings import Settings

HELP_COLUMNS = 100


def settings_page() -> str:
    """Every setting, its variable and its default."""
    intro = (
        "Set a variable of the environment, or the same name in a TOML file that "
        "`AIGESTION_SETTINGS_FILE` names; the environment wins. `aigestion settings` prints what is "
        "in force."
    )
    return page(
        "Settings",
        intro,
        table(["setting", "variable", "type", "default", "meaning"], _settings(Settings)),
    )


def errors_page() -> str:
    """Every error, its stable code and its HTTP status."""
    intro = (
        "Each error has a stable code. Over HTTP it comes as `application/problem+json` with this code "
        "and status; the command line prints its sentence and exits with 1."
    )
    rows = [
        (literal(error.code), str(int(STATUS[error.category])), sentence(error))
        for error in _errors(AIGestionError)
    ]
    refused = [
        (literal(code), str(status), meaning) for status, (code, meaning) in REFUSALS.items()
    ]
    columns = ["code", "status", "meaning"]
    return page(
        "Errors",
        intro,
        table(columns, rows),
        section(
            "Before a route is reached",
            "What is refused whatever the path does. Whose head is no HTTP, late or too large is hung up on.",
            table(columns, refused),
        ),
    )


def cli_page() -> str:
    """Every command's own help."""
    intro = (
        "`--json` prints JSON for programs; `events --jsonl` an event a line. Exit codes: 0 done, 1 an "
        "error or a finding, 2 a wrong call, 130 interrupted. `NO_COLOR` is heeded; control characters "
        "of data are printed as escapes; a reader of the pipe who leaves early ends the command quietly. "
        "Work of more than a second shows its rate and the time left, on a terminal.\n\n"
        "Commands work on a data dir, running or at rest; on the servers that `AIGESTION_POSTGRES_URL` "
        "and the other settings name; and those with `--url` on any system over HTTP, with an API key.\n\n"
        'Completion in the shell: `eval "$(_AIGESTION_COMPLETE=bash_source aigestion)"` in `~/.bashrc`, '
        "`zsh_source` in `~/.zshrc`; for fish `_AIGESTION_COMPLETE=fish_source aigestion | source`."
    )
    parts = [
        section(path, code(command.get_help(context))) for path, command, context in _commands()
    ]
    return page("Command line", intro, *parts)


def _settings(group: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in group.model_fields.items():
        here = (*path, name)
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _settings(annotation, here)
            continue
        default = "" if field.default is None else str(field.default)
        yield (
            literal(".".join(here)),
            literal("AIGESTION_" + "__".join(here).upper()),
            type_name(annotation),
            literal(default),
            field.description or "",
        )


def _errors(error: type[AIGestionError]) -> Iterator[type[AIGestionError]]:
    """The tree of `kernel.errors`, parents first; what other modules derive shares its parent's code."""
    if error.__module__ == AIGestionError.__module__:
        yield error
        for child in error.__subclasses__():
            yield from _errors(child)


def _commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command that does something, with the path that calls it."""

    def walk(
        command: click.Command, parent: click.Context | None, name: str
    ) -> Iterator[tuple[str, click.Command, click.Context]]:
        context = click.Context(
            command, parent, info_name=name, terminal_width=HELP_COLUMNS, color=False
        )
        if isinstance(command, click.Group):
            for child_name in command.list_commands(context):
                child = command.get_command(context, child_name)
                assert child is not None
                yield from walk(child, context, child_name)
        else:
            yield context.command_path, command, context

    yield from walk(aigestion, None, "aigestion")
