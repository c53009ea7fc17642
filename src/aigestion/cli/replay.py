"""`aigestion replay`: a conversation as it stood."""

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from aigestion.cli.connection import open_log, whose
from aigestion.cli.options import data_dir_option, json_option, run, tenant_option
from aigestion.cli.text import bad, doubtful, json_line, lines, moment, one_line, quiet

if TYPE_CHECKING:
    from aigestion.audit.replay import Message, ModelCall, Replayed


@click.command(epilog="Example:  aigestion replay 0199aa10-7c1e-7b1a-9d2c-0f4b1c2d3e4f --at 41")
@click.argument("conversation", type=click.UUID)
@click.option("--at", type=click.IntRange(min=1), help="As it stood at this position.")
@tenant_option
@data_dir_option
@json_option
def replay(
    conversation: UUID, at: int | None, tenant: str | None, data_dir: Path, as_json: bool
) -> None:
    """Print a conversation as it stood, folded from the log alone."""
    replayed = run(_replayed(conversation, at, tenant, data_dir))
    click.echo(json_line(replayed) if as_json else _page(replayed))


async def _replayed(
    conversation: UUID, at: int | None, tenant: str | None, data_dir: Path
) -> "Replayed":
    from aigestion.audit.replay import replay as replay_log

    async with open_log(data_dir) as log:
        return await replay_log(log.reader, whose(tenant, log), conversation, at=at)


def _page(replayed: "Replayed") -> str:
    title = one_line(replayed.title) if replayed.title else "untitled"
    head = [
        click.style(f"{title}  ({replayed.conversation_id})", bold=True),
        f"{one_line(replayed.user_id)} with {one_line(replayed.agent)}, tenant {replayed.tenant}, "
        f"started {moment(replayed.started_at)}, as it stood at position {replayed.position}",
    ]
    return "\n".join([*head, *(_message(one) for one in replayed.messages)])


def _message(message: "Message") -> str:
    who = click.style(f"{message.role} {one_line(message.author)}", bold=True)
    kind = "" if message.kind in ("chat", "reply") else f"  {message.kind}"
    out = [f"\n{who}{kind}  {quiet(f'{moment(message.at)}  position {message.position}')}"]
    if message.name is not None:
        out.append(f"  {one_line(message.name)} {json_line(message.properties)}")
    if message.text:
        out += [f"  {line}" for line in lines(message.text).split("\n")]
    if message.state == "writing":
        out.append(doubtful("  (had not answered yet)"))
    if message.state == "failed":
        out.append(f"  {bad('failed:')} {one_line(message.notice or '')}")
    if message.state == "cancelled":
        out.append(doubtful("  (was stopped)"))
    if message.erased:
        out.append(doubtful(f"  (erased: {', '.join(message.erased)})"))
    for citation in message.citations:
        where = f"{one_line(citation.title)}, passage {citation.passage}"
        out.append(quiet(f"  [{citation.number}] {where}"))
    out += [quiet(f"  {_call(call)}") for call in message.model_calls]
    return "\n".join(out)


def _call(call: "ModelCall") -> str:
    parts = [f"model {one_line(call.model)}: {one_line(call.outcome)}"]
    if call.input_tokens is not None and call.output_tokens is not None:
        parts.append(f"{call.input_tokens} tokens in, {call.output_tokens} out")
    if call.seconds is not None:
        parts.append(f"{call.seconds:.2f} s")
    return f"{', '.join(parts)}  position {call.position}"
