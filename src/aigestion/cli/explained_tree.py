"""An explained request as a tree for people: a line an event, under it what it held."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from aigestion.cli.event_rows import summary
from aigestion.cli.text import bad, json_line, moment, one_line, quiet, shortened

if TYPE_CHECKING:
    from aigestion.audit.explain import Explained, Passage, Step
    from aigestion.events.run import ModelCompleted, ModelFailed, ModelRequested

_COUNTED = {
    "system": "instructions",
    "history": "history",
    "source": "passages",
    "user": "question",
}


def tree(explained: "Explained") -> str:
    """Every root with all that it led to; what was asked for is bold."""
    lines = [quiet(f"correlation {explained.correlation_id}")]
    for root in explained.roots:
        lines += _branch(root, explained, "", "")
    return "\n".join(lines)


def _branch(step: "Step", explained: "Explained", first: str, rest: str) -> Iterator[str]:
    """The lines of a step and of all under it; `first` and `rest` are drawn before them."""
    head, *body = _told(step)
    is_asked = explained.asked in (step.event.id, getattr(step.event.data, "run_id", None))
    yield first + (click.style(head, bold=True) if is_asked else head) + quiet(_place(step))
    for line in body:
        yield f"{rest}{'│' if step.led_to else ' '}    {line}"
    for next_step in step.led_to:
        is_last = next_step is step.led_to[-1]
        yield from _branch(
            next_step,
            explained,
            rest + ("└─ " if is_last else "├─ "),
            rest + ("   " if is_last else "│  "),
        )


def _place(step: "Step") -> str:
    event = step.event
    when = moment(event.occurred_at) if step.seconds is None else f"+{step.seconds:.3f} s"
    return f"  {when}  {one_line(event.actor)}  position {event.position}  {event.id}"


def _told(step: "Step") -> list[str]:
    """The event's line, and what it held on lines of their own; all escaped."""
    from aigestion.events.run import (
        ModelCompleted,
        ModelFailed,
        ModelRequested,
        RunContextRetrieved,
        RunFailed,
        RunStarted,
    )

    event = step.event
    match event.data:
        case RunStarted(run_id=run_id, agent=agent):
            return [f"{event.type} {one_line(agent)}, run {run_id}"]
        case RunContextRetrieved(turns=turns):
            head = f"{event.type} {turns} earlier messages, {len(step.passages)} passages"
            return [head, *(line for one in step.passages for line in _passage(one))]
        case ModelRequested() as requested:
            return [f"{event.type} {_requested(requested)}"]
        case ModelCompleted() as completed:
            return [f"{event.type} {_completed(completed)}"]
        case ModelFailed() as failed:
            return [f"{event.type} {bad(_failed(failed))}", *_quoted(failed.partial_text)]
        case RunFailed(reason=reason, message=message):
            return [f"{event.type} {bad(one_line(reason))}", *_quoted(message)]
        case data:
            said = next(
                (getattr(data, name) for name in ("text", "transcript") if hasattr(data, name)),
                None,
            )
            if said is None:
                return [f"{event.type} {shortened(summary(event))}"]
            return [event.type, *_quoted(said)]


def _passage(passage: "Passage") -> list[str]:
    title = "(erased)" if passage.title is None else one_line(passage.title)
    where = f"{title}, passage {passage.passage}, document {passage.document_id}"
    return [f"[{passage.number}] {passage.score:.4f}  {where}", *_quoted(passage.text)]


def _requested(data: "ModelRequested") -> str:
    roles = Counter(entry.partition(":")[0] for entry in data.manifest)
    shown = ", ".join(
        f"{count} {_COUNTED[role]}" if role == "source" else _COUNTED.get(role, one_line(role))
        for role, count in roles.items()
    )
    return (
        f"{one_line(data.provider)}/{one_line(data.model)}, attempt {data.attempt}: {shown}; "
        f"{json_line(data.parameters)}"
    )


def _completed(data: "ModelCompleted") -> str:
    parts = [
        f"{one_line(data.provider)}/{one_line(data.returned_model)}: {one_line(data.finish_reason)}"
    ]
    if data.input_tokens is not None and data.output_tokens is not None:
        parts.append(f"{data.input_tokens} tokens in, {data.output_tokens} out")
    if data.first_token_seconds is not None:
        parts.append(f"first token after {data.first_token_seconds:.2f} s")
    return ", ".join([*parts, f"{data.duration_seconds:.2f} s"])


def _failed(data: "ModelFailed") -> str:
    lasted = "" if data.duration_seconds is None else f", {data.duration_seconds:.2f} s"
    model = f"{one_line(data.provider)}/{one_line(data.requested_model)}"
    return f"{model}: {one_line(data.reason)}: {one_line(data.message)}{lasted}"


def _quoted(text: Any) -> list[str]:
    return [quiet(f'"{shortened(text)}"')] if text else []
