"""Checks of query parameters that a type cannot express."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request

from aigestion.queries.answer import invalid

AGENT_CHARS_MAX = 63
MOMENT_CHARS_MAX = 64


def refuse_null(request: Request[Any, Any, Any]) -> None:
    """Raises `InvalidInput` for a filter of `null`: the framework takes it for no filter at all.

    It is what a script sends that has nothing to say, and it would be answered with everything.
    """
    if b"null" not in request.scope["query_string"]:
        return
    for name, field in request.route_handler.parsed_fn_signature.parameters.items():
        given = getattr(field.kwarg_definition, "name", None) or name
        texts = any(inner.annotation is str for inner in field.inner_types)
        if field.is_optional and not texts and "null" in request.query_params.getall(given, ()):
            raise invalid(given, "must have a value, or be left out")


def checked_text(field: str, value: str) -> str:
    """Text a store can look for."""
    if not value.strip() or "\0" in value or "\ufffd" in value:
        raise invalid(field, "must be text, and not empty")
    return value


def moment(field: str, value: str) -> datetime:
    """An ISO 8601 moment or date; without an offset it is UTC."""
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        hint = "must be an ISO 8601 moment such as 2026-01-31T12:00:00Z (write + as %2B)"
        raise invalid(field, hint) from None


def period(start: str | None, end: str | None) -> tuple[datetime | None, datetime | None]:
    """The parameters `from` and `to`, as moments; None where there is no limit."""
    since = None if start is None else moment("from", start)
    until = None if end is None else moment("to", end)
    if since is not None and until is not None and since >= until:
        raise invalid("from", "must be before to")
    return since, until
