"""A replayed conversation, and what changed in one, as a page for people."""

from typing import TYPE_CHECKING

import click

from aigestion.cli.text import (
    bad,
    doubtful,
    good,
    json_line,
    lines,
    moment,
    one_line,
    quiet,
    shortened,
)

if TYPE_CHECKING:
    from aigestion.audit.replay import Changes, Message, ModelCall, Replayed


def page(replayed: "Replayed") -> str:
    """A conversation as it stood, for people."""
    title = one_line(replayed.title) if replayed.title else "untitled"
    head = [
        click.style(f"{title}  ({replayed.conversation_id})", bold=True),
        f"{one_line(replayed.user_id)} with {one_line(replayed.agent)}, tenant {one_line(replayed.tenant)}, "
        f"started {moment(replayed.started_at)}, as it stood at position {replayed.position}",
    ]
    return "\n".join([*head, *(_message(one) for one in replayed.messages)])


def changes_page(changes: "Changes") -> str:
    """What changed, for people: `+` for what came, `~` for what became otherwise."""
    between = f"between positions {changes.since} and {changes.position}"
    if not changes.added and not changes.changed:
        return f"conversation {changes.conversation_id}: nothing changed {between}"
    head = [click.style(f"conversation {changes.conversation_id}, {between}", bold=True)]
    if changes.began:
        head.append(good("+ it was started"))
    came = [_marked(good("+"), message) for message in changes.added]
    became = [
        f"{_marked(doubtful('~'), one.after)}\n{quiet(f'  before: {_standing(one.before)}')}"
        for one in changes.changed
    ]
    return "\n".join([*head, *became, *came])


def _marked(mark: str, message: "Message") -> str:
    return "\n" + "\n".join(f"{mark} {line}" for line in _message(message).strip("\n").split("\n"))


def _standing(message: "Message") -> str:
    """In one line what a message was like."""
    said = f", {shortened(message.text)}" if message.text else ""
    calls = f", {len(message.model_calls)} model calls" if message.model_calls else ""
    return f"{message.state} at position {message.position}{calls}{said}"


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
