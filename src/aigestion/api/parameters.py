"""Checks of query parameters that a type cannot express."""

from datetime import UTC, datetime

from aigestion.queries.answer import invalid


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
