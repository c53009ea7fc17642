"""What a subscriber is given: how to get in, and what it may read there."""

from datetime import datetime

import msgspec


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What `aigestion nats grant` prints, once."""

    url: str
    seed: str
    """The secret: an nkey."""
    inbox_prefix: str
    """The only place it may hear answers."""
    stream: str
    consumer: str
    """The only consumer it may make."""
    subject: str
    """The filter this consumer must have."""
    tenant: str
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Credential({self.consumer}, {self.subject})"
