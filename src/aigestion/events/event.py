"""What an event class declares about itself: stored name, version, tags, and what is personal to whom."""

import typing
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from aigestion.kernel.ids import text_of


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that has happened. Subclasses live in one file a noun, and are listed in the catalog."""

    stored_as: ClassVar[str]
    """The stable stored name, `noun.verb`; never a Python path, never changed."""
    version: ClassVar[int] = 1
    """The schema version this class has now; older shapes are upcast at the border of the log."""


class Tag(msgspec.Struct, frozen=True):
    """Marks an id field: the event is found under the tag `<kind>:<value>`."""

    kind: str


class Personal(msgspec.Struct, frozen=True):
    """Marks a field that is sealed in the log with the key of the subject that `subject_field` names."""

    subject_field: str


ConversationId = typing.Annotated[UUID, Tag("conversation")]
RunId = typing.Annotated[UUID, Tag("run")]
DocumentId = typing.Annotated[UUID, Tag("document")]
UserId = typing.Annotated[str, Tag("user")]
AgentName = str

ERASED = "[erased]"
"""What a personal text reads as once its subject's key is destroyed."""


class Shape(msgspec.Struct, frozen=True):
    """The declarations of one event class, read off its annotations once."""

    event: type[Event]
    tags: tuple[tuple[str, str], ...]
    """(kind, field) of each tag."""
    personal: tuple[tuple[str, str], ...]
    """(field, subject field) of each sealed field."""


@cache
def shape_of(event: type[Event]) -> Shape:
    """The declarations of an event class."""
    tags: list[tuple[str, str]] = []
    personal: list[tuple[str, str]] = []
    for name, hint in typing.get_type_hints(event, include_extras=True).items():
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, Tag):
                tags.append((mark.kind, name))
            elif isinstance(mark, Personal):
                personal.append((name, mark.subject_field))
    return Shape(event, tuple(tags), tuple(personal))


def tags_of(event: Event) -> tuple[str, ...]:
    """The tags an event carries, without the tenant."""
    return tuple(
        [
            f"{kind}:{text_of(value) if isinstance(value, UUID) else value}"
            for kind, field in shape_of(type(event)).tags
            if (value := getattr(event, field)) is not None
        ]
    )


def subject_of(kind_field: str, event: Event) -> str:
    """The data subject of a personal field, e.g. `user:ana`: whose key seals it."""
    return subject_name(type(event), kind_field, getattr(event, kind_field))


def subject_name(event: type[Event], subject_field: str, value: Any) -> str:
    """The data subject named by a subject field's value; a tag's kind tells what it is."""
    kinds = {field: kind for kind, field in shape_of(event).tags}
    return f"{kinds.get(subject_field, subject_field)}:{value}"
