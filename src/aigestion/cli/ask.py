"""`aigestion ask` and `aigestion chat`: talk to an agent."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from aigestion.cli.connection import need_running
from aigestion.cli.options import data_dir_option, json_option, run
from aigestion.cli.text import bad, json_line, lines, one_line, quiet

if TYPE_CHECKING:
    from aigestion.client.dialogue import Dialogue, Reply
    from aigestion.client.http import Api
    from aigestion.embedded.connect_file import Doors

QUIT = "/quit"


@click.command(epilog='Example:  aigestion ask "what is a dense position?"')
@click.argument("text")
@click.option("--conversation", type=click.UUID, help="Go on with this conversation.")
@data_dir_option
@json_option
def ask(text: str, conversation: UUID | None, data_dir: Path, as_json: bool) -> None:
    """Ask an agent, and print its answer with its sources."""
    state = run(_ask(text, conversation, need_running(data_dir), as_json))
    if state != "final":
        click.get_current_context().exit(1)


@click.command(epilog="Example:  aigestion chat")
@click.option("--conversation", type=click.UUID, help="Go on with this conversation.")
@data_dir_option
@json_option
def chat(conversation: UUID | None, data_dir: Path, as_json: bool) -> None:
    """Hold a conversation: a line a message, /quit to leave."""
    doors = need_running(data_dir)
    import asyncio

    from aigestion.cli.http import api

    # The prompt waits outside the event loop, where Ctrl-C ends it at once.
    with asyncio.Runner() as runner:
        door = api(doors)
        dialogue = runner.run(_dialogue(door, conversation))
        if not as_json:
            click.echo(quiet(f"conversation {dialogue.conversation_id}; {QUIT} leaves"), err=True)
        while (text := _line()) is not None:
            reply = runner.run(_answer(dialogue, text, as_json))
            if not as_json and reply.state == "final":
                click.echo()
        runner.run(door.close())


async def _ask(text: str, conversation: UUID | None, doors: "Doors", as_json: bool) -> str:
    from aigestion.cli.http import api

    async with api(doors) as door:
        dialogue = await _dialogue(door, conversation)
        reply = await _answer(dialogue, text, as_json)
    if not as_json:
        click.echo(quiet(f"conversation {dialogue.conversation_id}"), err=True)
    return reply.state


async def _dialogue(door: "Api", conversation: UUID | None) -> "Dialogue":
    from aigestion.client.dialogue import Dialogue

    if conversation is None:
        return await Dialogue.start(door)
    return await Dialogue.resume(door, str(conversation))


def _line() -> str | None:
    """The next line that says something; None when there are no more."""
    if sys.stdin.isatty():
        import readline  # noqa: F401  importing it gives `input` a history and editing keys
    while True:
        try:
            text = input("> " if sys.stdin.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt) as end:
            if sys.stdin.isatty():
                click.echo()  # the prompt's line is over
            if isinstance(end, KeyboardInterrupt):
                raise
            return None
        if text == QUIT:
            return None
        if text:
            return text


async def _answer(dialogue: "Dialogue", text: str, as_json: bool) -> "Reply":
    """Say it, and print the reply: on a terminal as it comes, and always as it was recorded."""
    written: list[str] = []

    def write(piece: str) -> None:
        written.append(piece)
        click.echo(lines(piece), nl=False)

    if as_json:
        reply = await dialogue.say(text, _unheard)
        click.echo(json_line(reply))
    else:
        reply = await dialogue.say(text, write if sys.stdout.isatty() else _unheard)
        _print_rest(reply, "".join(written))
    return reply


def _print_rest(reply: "Reply", shown: str) -> None:
    if reply.state == "failed":
        click.echo("\n" if shown else "", nl=False)
        click.echo(f"{bad('failed:')} {one_line(reply.notice or '')} ({reply.reason})", err=True)
        return
    if reply.state == "cancelled":
        click.echo("\n" if shown else "", nl=False)
        click.echo(quiet("(was stopped)"), err=True)
        return
    if reply.text.startswith(shown):
        click.echo(lines(reply.text[len(shown) :]))
    else:  # pieces were lost or changed on the way: what was recorded counts
        click.echo(quiet("\n\n(as recorded)\n") + lines(reply.text))
    if reply.citations:
        click.echo()
    for citation in reply.citations:
        where = f"{one_line(citation['title'])}, passage {citation['passage']}"
        click.echo(quiet(f"[{citation['number']}] {where}"))


def _unheard(_piece: str) -> None:
    """Pieces are for eyes; a program gets the recorded reply."""
