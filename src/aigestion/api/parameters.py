"""Checks of query parameters that a type cannot express."""

from datetime import UTC, datetime

from aigestion.queries.answer import invalid

AGENT_CHARS_MAX = 63
MOMENT_CHARS_MAX = 64


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
