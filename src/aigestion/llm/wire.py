"""What the vendors' streams are read into: one small vocabulary of events and of faults."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

TOKENS_MAX = 100_000_000
"""More than any model takes in one call: a provider that says so errs or lies."""


class Piece(msgspec.Struct, frozen=True):
    """A piece of the answer."""

    text: str


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the end; its parts come in several chunks."""

    model: str = ""
    reason: str | None = None
    """`stop` and `length`, `content_filter` for a refusal of the provider's, else the provider's own word."""
    usage: dict[str, Any] = msgspec.field(default_factory=dict)
    input_tokens: int | None = None
    output_tokens: int | None = None
    refused: bool = False
    """The model declined to answer."""

    def merged(self, later: "Finished") -> "Finished":
        """Both together; what the later one says counts."""
        return Finished(
            model=later.model or self.model,
            reason=later.reason or self.reason,
            usage=later.usage or self.usage,
            input_tokens=self.input_tokens if later.input_tokens is None else later.input_tokens,
            output_tokens=self.output_tokens
            if later.output_tokens is None
            else later.output_tokens,
            refused=self.refused or later.refused,
        )


WireEvent: TypeAlias = Piece | Finished


class StatusFault(Exception):
    """The server answered with an error status."""

    def __init__(self, status: int, code: str | None, retry_after_seconds: float | None) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.retry_after_seconds = retry_after_seconds


class StreamFault(Exception):
    """The server reported an error inside the stream."""

    def __init__(self, code: str | None) -> None:
        super().__init__(code)
        self.code = code


def said(usage: Any) -> dict[str, Any]:
    """An SDK's usage object as the provider sent it; empty if it sent something else."""
    said = usage.to_dict(warnings=False) if hasattr(usage, "to_dict") else usage
    return dict(said) if isinstance(said, Mapping) else {}


def tokens(usage: Mapping[str, Any], name: str, *further: str) -> int | None:
    """The count of this name with the further ones, which may be missing; None if it cannot be true."""
    counts: list[Any] = [usage.get(name), *(usage.get(other) or 0 for other in further)]
    credible = all(type(count) is int and 0 <= count <= TOKENS_MAX for count in counts)
    return sum(counts) if credible else None
