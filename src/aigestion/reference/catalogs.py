"""Pages about the catalogs: events, commands, projections."""

import sys
import typing
from typing import Any

import msgspec

from aigestion.commands.catalog import USE_CASES
from aigestion.events.catalog import EVENTS
from aigestion.events.described import field_sentences, sentence
from aigestion.events.event import Event, Tag, shape_of
from aigestion.kernel.decider import UseCase
from aigestion.messaging.example import example_of
from aigestion.messaging.subjects import event_subject
from aigestion.projections.catalog import PROJECTIONS
from aigestion.projections.projection import Projection
from aigestion.reference.markdown import code, literal, page, section, table
from aigestion.reference.typenames import type_name


def events_page() -> str:
    """Every type of event, field by field."""
    intro = (
        "What can have happened. A type's name is for ever; its schema version counts changes of its "
        "shape. Sealed fields are encrypted in the log with the key of their subject. Machines read "
        "[asyncapi.json](asyncapi.json)."
    )
    overview = table(
        ["type", "version", "meaning"],
        [
            (
                f"[{event.stored_as}](#{_anchor(event.stored_as)})",
                str(event.version),
                sentence(event),
            )
            for event in EVENTS
        ],
    )
    return page("Events", intro, overview, *(_event(event) for event in EVENTS))


def commands_page() -> str:
    """Every use case: its command and the events it may lead to."""
    intro = (
        "What can be asked. A command is decided on the events its boundary selects, and leads to the "
        "events named here, to none (no news), or is refused."
    )
    return page("Commands", intro, *(_use_case(use_case) for use_case in USE_CASES))


def projections_page() -> str:
    """Every read model."""
    intro = (
        "What is kept for reading. Each can be deleted and rebuilt from the log: "
        "`aigestion projections rebuild NAME`; `aigestion projections verify` proves that it equals the log."
    )
    overview = table(
        ["name", "version", "store", "collections", "reads", "meaning"],
        [_projection(projection) for projection in PROJECTIONS],
    )
    return page("Projections", intro, overview)


def _event(event: type[Event]) -> str:
    sealed = dict(shape_of(event).personal)
    said = field_sentences(event)
    hints = typing.get_type_hints(event, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(event):
        tags = [
            one.kind
            for one in getattr(hints[field.name], "__metadata__", ())
            if isinstance(one, Tag)
        ]
        notes = [f"tag `{kind}:…`" for kind in tags]
        if field.name in sealed:
            notes.append(f"sealed with the key of `{sealed[field.name]}`")
        if not field.required:
            notes.append("may be left out")
        rows.append(
            (
                literal(field.name),
                literal(type_name(hints[field.name])),
                "; ".join(notes),
                said.get(field.name, ""),
            )
        )
    example = msgspec.json.format(msgspec.json.encode(example_of(event)), indent=2).decode()
    return section(
        event.stored_as,
        sentence(event),
        f"Version {event.version}, published on {literal(event_subject('<tenant>', event.stored_as))}.",
        table(["field", "type", "", "meaning"], rows),
        code(example, "json"),
    )


def _use_case(use_case: UseCase[Any, Any]) -> str:
    said = field_sentences(use_case.command)
    rows = [
        (literal(field.name), literal(type_name(field.type)), said.get(field.name, ""))
        for field in msgspec.structs.fields(use_case.command)
    ]
    events = _events_in(typing.get_type_hints(use_case.decide).get("return"))
    return section(
        use_case.command.__name__,
        _of_module(use_case.decide),
        sentence(use_case.command) if use_case.command.__doc__ else "",
        f"Leads to {_links(events)}." if events else "",
        table(["field", "type", "meaning"], rows),
    )


def _projection(projection: Projection) -> tuple[str, ...]:
    reads = "every type" if projection.reads is None else _links(list(projection.reads))
    return (
        literal(projection.name),
        str(projection.version),
        projection.store,
        ", ".join(map(literal, projection.collections)),
        reads,
        _of_module(projection.project),
    )


def _of_module(function: Any) -> str:
    """The first line of the module a function is in, without its `Use case: `."""
    says = sentence(sys.modules[function.__module__]).partition(": ")[2]
    return says[:1].upper() + says[1:]


def _events_in(hint: Any) -> list[type[Event]]:
    """The event classes a type speaks of; the catch-all `Event` says nothing."""
    if isinstance(hint, type) and issubclass(hint, Event):
        return [] if hint is Event else [hint]
    return [event for one in typing.get_args(hint) for event in _events_in(one)]


def _links(events: list[type[Event]]) -> str:
    return ", ".join(f"[{one.stored_as}](events.md#{_anchor(one.stored_as)})" for one in events)


def _anchor(heading: str) -> str:
    return heading.lower().replace(".", "").replace(" ", "-")
