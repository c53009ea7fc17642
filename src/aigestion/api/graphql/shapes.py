"""The API's structs as GraphQL types: what a struct says of itself is said once."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, get_args, get_origin
from uuid import UUID

import msgspec
import strawberry
from strawberry.schema.config import StrawberryConfig

from aigestion.api.v1.conversations import Shelf
from aigestion.events.described import field_sentences, sentence
from aigestion.events.recorded import Recorded
from aigestion.queries.answer import BIGINT_MAX, Page
from aigestion.queries.conversations import Kind, Role, State
from aigestion.queries.runs import CallState, RunState
from aigestion.queries.search import HitKind

Long = NewType("Long", int)
Json = NewType("Json", object)

NAMES: Mapping[Any, str] = {
    Recorded: "RecordedEvent",
    Shelf: "ConversationState",
    Role: "MessageRole",
    Kind: "MessageKind",
    State: "MessageState",
    RunState: "RunState",
    CallState: "ModelCallState",
    HitKind: "HitKind",
}
"""What is not called as it is in Python, or has no name there: words that a value may be."""


class Shapes:
    """The GraphQL type of each struct."""

    def __init__(self) -> None:
        self.links: dict[type[Any], dict[str, Any]] = {}
        """Fields that a struct gets besides its own; to be set before its type is asked for."""
        self._made: dict[Any, Any] = {}

    def of(self, python: Any) -> Any:
        """The annotation, for strawberry, of an annotation of ours; `LookupError` if it has none."""
        if isinstance(python, TypeVar):
            return Json
        origin, arguments = get_origin(python), get_args(python)
        if origin is Annotated:
            return self.of(arguments[0])
        if origin is Literal:
            return self._made.setdefault(python, _words(python))
        if origin in (Union, UnionType):
            (one,) = (argument for argument in arguments if argument is not NoneType)
            return self.of(one) | None
        if origin in (list, tuple):
            return list[self.of(arguments[0])]  # type: ignore[misc]
        if python is dict or origin is dict:
            return Json
        if python in _PLAIN:
            return _PLAIN[python]
        if issubclass(origin or python, msgspec.Struct):
            return self._struct(python)
        raise LookupError(f"{python} has no shape in GraphQL")

    def _struct(self, python: Any) -> Any:
        if python not in self._made:
            struct = get_origin(python) or python
            said = field_sentences(struct)
            fields = {
                one.name: strawberry.field(description=said.get(one.name))
                for one in msgspec.structs.fields(python)
            }
            annotations = {one.name: self.of(one.type) for one in msgspec.structs.fields(python)}
            content = {**fields, **self.links.get(struct, {}), "__annotations__": annotations}
            name = _name(python)
            self._made[python] = strawberry.type(
                type(name, (), content), name=name, description=sentence(struct)
            )
        return self._made[python]


def _name(python: Any) -> str:
    """`RunSummaryPage` of `Page[RunSummary]`."""
    if get_origin(python) is Page:
        return f"{_name(get_args(python)[0])}Page"
    return NAMES.get(python) or str(python.__name__)


def _words(literal: Any) -> Any:
    """An enum. Its values are the words that the other routes have, so they are small letters."""
    members = {word: word for word in get_args(literal)}
    made: Any = Enum(NAMES[literal], members)  # type: ignore[misc]
    return strawberry.enum(made)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > BIGINT_MAX:
        raise ValueError("must be a whole number of at most 64 bits")
    return value


_PLAIN: Mapping[Any, Any] = {
    str: str,
    bool: bool,
    float: float,
    int: Long,
    UUID: UUID,
    datetime: datetime,
    Any: Json,
}

CONFIG = StrawberryConfig(
    scalar_map={
        Long: strawberry.scalar(
            name="Long",
            description="A whole number of up to 64 bits, as a JSON number.",
            serialize=_whole,
            parse_value=_whole,
        ),
        Json: strawberry.scalar(
            name="JSON", description="Any JSON.", serialize=msgspec.to_builtins
        ),
        datetime: strawberry.scalar(
            name="DateTime",
            description="A moment as ISO 8601.",
            serialize=msgspec.to_builtins,
            specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        ),
    }
)
"""The scalars, written as the other routes write them."""
