"""The only speller of NATS names."""

from uuid import UUID

STREAM = "EVENTS"
EVENT_SUBJECTS = "events.>"


def event_subject(tenant: str, event_type: str) -> str:
    """`events.demo.user.chat`: where one type of one tenant's events is published."""
    return f"events.{tenant}.{event_type}"


def events_of(tenant: str, pattern: str = ">") -> str:
    """`events.demo.user.*` and the like."""
    return f"events.{tenant}.{pattern}"


def heard_by_agents() -> str:
    """What agents subscribe to: everything users do, of every tenant."""
    return "events.*.user.*"


def live_subject(tenant: str, conversation_id: UUID) -> str:
    """Token deltas of one conversation: core NATS, gone when read (law 12)."""
    return f"live.{tenant}.{conversation_id.hex}"


LIVE_SUBJECTS = "live.>"
