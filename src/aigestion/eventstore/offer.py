"""What the log refuses to take, found before anything is queued or sent."""

from collections.abc import Sequence

from aigestion.eventstore.port import NewEvent
from aigestion.kernel.errors import InvalidInput, TooLarge
from aigestion.kernel.query import AppendCondition

EVENTS_PER_APPEND_MAX = 1_000
TAGS_PER_EVENT_MAX = 100
TAG_BYTES_MAX = 1_024
"""A tag must fit an index entry."""
DATA_BYTES_MAX = 16 * 1024 * 1024
"""Of one event. Large fields belong into the blob store; this is a fence, not a target."""
_VERSION_MAX = 2**31 - 1


def check_offer(events: Sequence[NewEvent], conditions: Sequence[AppendCondition]) -> None:
    """`InvalidInput` or `TooLarge` if the log cannot hold these events as they are."""
    if not events:
        raise InvalidInput("An append needs at least one event.")
    if len(events) > EVENTS_PER_APPEND_MAX:
        raise TooLarge(f"An append holds at most {EVENTS_PER_APPEND_MAX} events.")
    for event in events:
        _check_event(event)
    for condition in conditions:
        for item in condition.fail_if_events_match.items:
            _check_text((*item.types, *item.tags, item.tenant or ""))


def _check_event(event: NewEvent) -> None:
    _check_text((event.type, event.tenant, event.actor, *event.tags))
    if event.occurred_at.tzinfo is None:
        raise InvalidInput("occurred_at needs a time zone.")
    if not 0 < event.schema_version <= _VERSION_MAX:
        raise InvalidInput("schema_version must be a positive integer.")
    if len(event.tags) > TAGS_PER_EVENT_MAX:
        raise TooLarge(f"An event carries at most {TAGS_PER_EVENT_MAX} tags.")
    if len(event.data) > DATA_BYTES_MAX:
        raise TooLarge(f"An event's data has at most {DATA_BYTES_MAX} bytes.")


def _check_text(texts: tuple[str, ...]) -> None:
    """Postgres holds every text but those with a NUL or half a surrogate pair."""
    joined = "\n".join(texts)
    if "\0" in joined:
        raise InvalidInput("Types, tags, tenants and actors may not contain a NUL character.")
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput("A text has a lone surrogate: it is not Unicode.") from error
    if len(joined) > TAG_BYTES_MAX and any(len(text.encode()) > TAG_BYTES_MAX for text in texts):
        raise TooLarge(f"Types, tags, tenants and actors have at most {TAG_BYTES_MAX} bytes each.")
