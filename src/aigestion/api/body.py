"""A JSON body becomes a model: every error of it is reported, with its field's path."""

import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from aigestion.api.errors import FieldError
from aigestion.kernel.errors import InvalidInput

BODY_BYTES_MAX = 1024 * 1024
JSON_DEPTH_MAX = 64
"""How deep free-form JSON may be nested. (The parser itself stops at 200, so depth costs nothing.)"""
INTEGER_MAX = 2**63 - 1
ERRORS_MAX = 100

_SURROGATE = re.compile("[\ud800-\udfff]")

M = TypeVar("M", bound=BaseModel)


class Body(BaseModel):
    """What every body has in common: nothing unknown, nothing converted, nothing infinite."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def parse_body(model: type[M], body: bytes) -> M:
    """The model, or `InvalidInput` naming every bad field."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise refusal(error, body, tagged=issubclass(model, RootModel)) from None


def refusal(error: ValidationError, body: bytes = b"", *, tagged: bool = False) -> InvalidInput:
    """What to answer to a body that is not what its model says.

    `tagged`: the model is one of several, and errors are located in the one that the tag chose.
    """
    if error.error_count() > ERRORS_MAX:  # telling of each takes long enough to be an attack
        many = FieldError("", f"has {error.error_count()} errors; at most {ERRORS_MAX} are told")
        return InvalidInput("The body is not valid.", errors=[many])
    found = error.errors(include_url=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        errors = _flaws_of_text(body) or [FieldError("", found[0]["msg"])]
    else:
        errors = [_field_error(one, int(tagged)) for one in found]
    return InvalidInput("The body is not valid.", errors=errors)


def storable_text(value: str) -> str:
    """Text that every store can keep and that says something."""
    if flaw := _flaw_of_string(value):
        raise PydanticCustomError("text", flaw)
    if not value.strip():
        raise PydanticCustomError("text", "must not be empty")
    return value


def storable_json(value: dict[str, Any]) -> dict[str, Any]:
    """Free-form JSON that every store can keep."""
    for path, flaw in _flaws(value, "", 1):
        raise PydanticCustomError("json", "{flaw}", {"path": path, "flaw": flaw})
    return value


Text = Annotated[
    str,
    AfterValidator(storable_text),
    Field(json_schema_extra={"minLength": 1, "pattern": r"\S"}),
]
JsonObject = Annotated[dict[str, Any], AfterValidator(storable_json)]


def _field_error(error: ErrorDetails, skip: int) -> FieldError:
    context = error.get("ctx", {})
    location = list(error["loc"])[skip:]
    match error["type"]:
        case "union_tag_invalid":
            location.append(context["discriminator"].strip("'"))
            message = f"must be one of {context['expected_tags']}"
        case "union_tag_not_found":
            location.append(context["discriminator"].strip("'"))
            message = "is required"
        case "extra_forbidden":
            message = "is not known here"
        case "missing":
            message = "is required"
        case "json":
            location.append(context["path"])
            message = context["flaw"]
        case _:
            message = error["msg"]
    return FieldError(".".join(_printable(part) for part in location if part != ""), message)


def _printable(part: str | int) -> str:
    return _SURROGATE.sub("\ufffd", str(part))


def _flaws_of_text(body: bytes) -> list[FieldError]:
    """The fields that keep a body from being JSON, if it is otherwise: a second, more patient look."""
    try:
        value = json.loads(body.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return []
    flaws = islice(_flaws(value, "", 1), ERRORS_MAX)
    return [FieldError(path, flaw) for path, flaw in flaws]


def _flaws(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > JSON_DEPTH_MAX:
        yield path, f"is nested deeper than {JSON_DEPTH_MAX} levels"
        return
    match value:
        case str():
            if flaw := _flaw_of_string(value):
                yield path, flaw
        case float() if not math.isfinite(value):
            yield path, "must be a finite number"
        case int() if not -INTEGER_MAX <= value <= INTEGER_MAX:
            yield path, "must be an integer of at most 64 bits"
        case dict():
            for key, inner in value.items():
                inner_path = f"{path}.{_printable(key)}" if path else _printable(key)
                if flaw := _flaw_of_string(key):
                    yield inner_path, f"its name {flaw}"
                yield from _flaws(inner, inner_path, depth + 1)
        case list():
            for index, inner in enumerate(value):
                yield from _flaws(inner, f"{path}.{index}" if path else str(index), depth + 1)
        case _:
            pass


def _flaw_of_string(value: str) -> str | None:
    if "\0" in value:
        return "contains the character NUL"
    if not value.isascii() and _SURROGATE.search(value):
        return "contains half a character (a lone surrogate, or bytes that are not UTF-8)"
    return None
