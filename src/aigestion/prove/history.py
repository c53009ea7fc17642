"""What clients and faults did, in order: kept in memory for the check and on disk for people."""

import time
from pathlib import Path
from typing import Any, Literal

import msgspec

Outcome = Literal["acked", "refused", "unknown"]


class Operation(msgspec.Struct, kw_only=True):
    """One command, sent with one idempotency key until it was answered or given up."""

    client: int
    tenant: str
    kind: Literal["start", "chat", "action"]
    key: str
    marker: str
    """Stands in the payload: what the command is found by in the log."""
    conversation: str | None
    sent_at: float
    """Seconds since the run began, as all times here: of the first try."""
    answered_at: float | None = None
    outcome: Outcome = "unknown"
    tries: int = 0
    status: int = 0
    """Of the last answer; 0 if none came."""
    position: int | None = None
    event_id: str | None = None
    """What a 2xx answer said; a conversation's start names no event."""


class Read(msgspec.Struct, kw_only=True):
    """A conversation read with `min_position`, while faults were at work."""

    tenant: str
    conversation: str
    min_position: int
    expected: str
    """Marker of the command that was answered with `min_position`."""
    at: float
    view_position: int
    shown: list[tuple[int, str, str]]
    """(position, id, text) of each message, as `shown` says."""
    found: bool
    """Whether the expected command was among them."""


class Fault(msgspec.Struct, kw_only=True):
    """One fault that was injected."""

    kind: str
    victims: tuple[str, ...]
    at: float
    ended_at: float = 0.0
    """When it was over, and what was killed was being started again."""
    lost_messages: int = 0
    """Acknowledged messages that the broker no longer had afterwards."""
    met: list[float] | None = None
    """When something met it first, perhaps later; empty if nothing did. None if it cannot but be met."""


class Leak(msgspec.Struct, kw_only=True):
    """An answer to one tenant with another tenant's canary in it."""

    tenant: str
    request: str
    at: float


class Hang(msgspec.Struct, kw_only=True):
    """A request that got no answer at all for longer than anybody may have to wait."""

    request: str
    at: float
    """When it was sent."""


class History:
    """Every operation, read, fault, leak and hang; `path` gets a line for each as it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.operations: list[Operation] = []
        self.reads: list[Read] = []
        self.faults: list[Fault] = []
        self.leaks: list[Leak] = []
        self.hangs: list[Hang] = []
        self.slowest_seconds = 0.0
        """The longest that an answer took."""
        self._began = time.monotonic()
        self._file = path.open("ab")

    def now(self) -> float:
        """Seconds since the run began."""
        return round(time.monotonic() - self._began, 4)

    def answered_after(self, seconds: float) -> None:
        """Note how long an answer took."""
        self.slowest_seconds = max(self.slowest_seconds, round(seconds, 3))

    def write(self, what: str, entry: Any) -> None:
        """One line: what it is, and all of it."""
        self._file.write(msgspec.json.encode({"what": what, **msgspec.to_builtins(entry)}) + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()
