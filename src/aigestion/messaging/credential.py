"""What a subscriber is given: how to get in, and what it may read there."""

from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec

from aigestion.kernel.errors import InvalidInput


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

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """From the file it was put into. `InvalidInput` if that is something else; `OSError`."""
        try:
            return msgspec.json.decode(Path(path).read_bytes(), type=cls)
        except msgspec.MsgspecError as error:
            raise InvalidInput(f"{path} is no credential of `nats grant`: {error}") from error

    def __repr__(self) -> str:
        return f"Credential({self.consumer}, {self.subject})"
