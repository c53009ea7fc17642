"""The port of a chat model: one request in, a stream of events out."""

from collections.abc import AsyncGenerator
from typing import Any, Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec


class Turn(msgspec.Struct, frozen=True):
    """One message of the conversation."""

    role: Literal["user", "assistant"]
    text: str


class Source(msgspec.Struct, frozen=True):
    """A passage the model may quote; `number` is how the answer refers to it, `[1]`."""

    number: int
    document_id: UUID
    passage: int
    title: str
    text: str


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is asked. A provider renders `sources` into its prompt."""

    call_id: UUID
    system: str
    turns: tuple[Turn, ...]
    """In order of time; the last one is the user's question."""
    sources: tuple[Source, ...] = ()
    output_tokens_max: int = 1024


class TextDelta(msgspec.Struct, frozen=True):
    """A piece of the answer."""

    text: str


class Done(msgspec.Struct, frozen=True):
    """The answer is complete. Exactly one `Done` or `Failed` ends a stream."""

    returned_model: str
    finish_reason: str
    """`stop` or `length`, else the provider's own word."""
    usage: dict[str, Any]
    """The provider's own usage object, untouched; empty if there is none that can be kept."""
    input_tokens: int | None
    """All the model read, from its cache too; None if the provider says nothing that can be true."""
    output_tokens: int | None
    """All it wrote, what it thought without saying it too."""


FailureReason = Literal[
    "timeout", "rate-limited", "overloaded", "refused", "garbage", "cut-off", "unreachable"
]


class Failed(msgspec.Struct, frozen=True):
    """The call ended without a complete answer; text that came before stays with the caller."""

    reason: FailureReason
    message: str
    """What happened, without any text of the user's or of the provider's: it is recorded in clear."""
    retryable: bool
    retry_after_seconds: float | None = None
    """How long the provider asks to be left alone, if it says so."""


StreamEvent: TypeAlias = TextDelta | Done | Failed


class ChatModel(Protocol):
    """A model of one provider. Never raises for what a provider does: it yields `Failed`.

    It makes one attempt: whether to ask again is the caller's decision.
    """

    provider: str
    model: str
    parameters: dict[str, Any]
    """Sampling parameters and limits, as they are recorded with the request."""

    def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent]: ...


class Embedder(Protocol):
    """Turns text into vectors of one length; `model` is recorded with every vector."""

    model: str
    dimensions: int

    async def passages(self, texts: list[str]) -> list[list[float]]: ...

    async def query(self, text: str) -> list[float]: ...
