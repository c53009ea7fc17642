"""What the border of the log must know of a personal field: whose it is, and how it reads once erased."""

import types
import typing
from functools import cache
from typing import Any, Literal

import msgspec

from aigestion.events.event import ERASED, Event, shape_of, subject_name


class SealedField(msgspec.Struct, frozen=True):
    """A field of one stored shape that is sealed with the key of the subject `subject_field` names."""

    name: str
    subject_field: str
    subject_kind: str
    """The subject is `<kind>:<value of the subject field>`."""
    holds: Literal["text", "object", "list"] = "text"

    @property
    def erased(self) -> Any:
        """What the field reads as once its subject's key is destroyed."""
        return {"text": ERASED, "object": {}, "list": []}[self.holds]


@cache
def sealed_fields_of(event: type[Event]) -> tuple[SealedField, ...]:
    """The sealed fields of an event class as it is now; `TypeError` for a type that cannot be erased."""
    hints = typing.get_type_hints(event)
    return tuple(
        SealedField(
            field,
            subject_field,
            subject_name(event, subject_field, "").removesuffix(":"),
            _holds(event, field, hints[field]),
        )
        for field, subject_field in shape_of(event).personal
    )


def _holds(event: type[Event], field: str, hint: Any) -> Literal["text", "object", "list"]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        present = [one for one in typing.get_args(hint) if one is not types.NoneType]
        hint = present[0] if len(present) == 1 else None
    match typing.get_origin(hint) or hint:
        case t if t is str:
            return "text"
        case t if t is dict:
            return "object"
        case t if t in (list, tuple):
            return "list"
    raise TypeError(f"{event.__name__}.{field} is personal: it must be a text, a dict or a list")
