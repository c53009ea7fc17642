"""A model behind a vendor's SDK: one attempt a call, watched from its first byte to its end."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Generic, TypeVar

import msgspec

from aigestion.llm.port import ChatRequest, Done, Failed, StreamEvent, TextDelta
from aigestion.llm.sdk_faults import failed
from aigestion.llm.wire import Finished, Piece, WireEvent

NO_KEY = "none"
"""What is sent to a server that needs no key: the SDKs would else send that of the environment to anybody."""
_ANSWER_CHARS_PER_TOKEN_MAX = 32
"""No tokenizer packs more into a token: a stream beyond this is one that never ends."""
_NAME_CHARS_MAX = 200
_USAGE_BYTES_MAX = 8_192

ClientT = TypeVar("ClientT")


class TimeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a call may take, and its parts."""

    connect_seconds: float = 5.0
    between_chunks_seconds: float = 60.0
    total_seconds: float = 300.0


class SdkModel(ABC, Generic[ClientT]):
    """One model of one server; `base_url` None means the vendor's own.

    Connections are kept between calls; `close` ends them. Makes one attempt a call; every fault of the
    server becomes `Failed`. A provider says how its SDK's client is made, how its stream reads, and
    what its exceptions mean.
    """

    provider: str

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        time_limits: TimeLimits | None = None,
    ) -> None:
        self.model = model
        self.parameters: dict[str, Any] = {}
        self._base_url = base_url
        self._api_key = api_key
        self._time_limits = time_limits or TimeLimits()
        self._client: ClientT | None = None
        self._connecting = asyncio.Lock()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent]:
        answered = _Answer(self.model, request.output_tokens_max * _ANSWER_CHARS_PER_TOKEN_MAX)
        try:
            client = await self._connected()
            # The limit is checked at each step and not around the whole: a generator must not hold
            # a time-out open while its caller is at work.
            deadline = asyncio.get_running_loop().time() + self._time_limits.total_seconds
            async with aclosing(self._events(client, request)) as events:
                while True:
                    async with asyncio.timeout_at(deadline):
                        event = await anext(events, None)
                    if event is None:
                        break
                    if text := answered.take(event):
                        yield TextDelta(text)
                    if answered.endless:
                        break
        except Exception as fault:
            if not answered.complete:
                yield failed(self._unwrapped(fault), started=answered.chars > 0)
                return
            # The answer was whole before the server misbehaved: nothing is lost but its usage.
        yield answered.end()

    async def close(self) -> None:
        """Close the connections. The model may be asked again and opens new ones."""
        if self._client is not None:
            client, self._client = self._client, None
            await self._close(client)

    @abstractmethod
    def _new_client(self) -> ClientT:
        """A client that tries once. Runs in a thread: importing an SDK takes seconds."""

    @abstractmethod
    async def _close(self, client: ClientT) -> None: ...

    @abstractmethod
    def _events(self, client: ClientT, request: ChatRequest) -> AsyncGenerator[WireEvent]: ...

    @abstractmethod
    def _unwrapped(self, fault: Exception) -> Exception:
        """What the SDK's exception stands for: a `StatusFault`, a `StreamFault`, or what httpx2 raised."""

    async def _connected(self) -> ClientT:
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._new_client)
            return self._client


class _Answer:
    """What has come of an answer, and how it stands."""

    def __init__(self, model: str, chars_max: int) -> None:
        self.chars = 0
        self._asked_model = model
        self._chars_max = chars_max
        self._finished = Finished()

    @property
    def endless(self) -> bool:
        return self.chars > self._chars_max

    @property
    def complete(self) -> bool:
        return self._finished.reason is not None and self.chars > 0

    def take(self, event: WireEvent) -> str:
        match event:
            case Piece(text):
                self.chars += len(text)
                return text
            case Finished():
                self._finished = self._finished.merged(event)
                return ""

    def end(self) -> Done | Failed:
        finished = self._finished
        if self.endless:
            return Failed("garbage", "the answer did not end", retryable=False)
        if finished.reason == "content_filter":
            return Failed("refused", "the provider's content filter stopped it", retryable=False)
        if finished.refused:
            return Failed("refused", "the model declined to answer", retryable=False)
        if finished.reason is None:
            return Failed("cut-off", "the stream ended before the answer did", retryable=True)
        reason = _name(finished.reason) or "unknown"
        if not self.chars:
            return Failed("garbage", f"an empty answer ({reason})", retryable=True)
        return Done(
            returned_model=_name(finished.model) or self._asked_model,
            finish_reason=reason,
            usage=_recordable(finished.usage),
            input_tokens=finished.input_tokens,
            output_tokens=finished.output_tokens,
        )


def _name(value: Any) -> str | None:
    """A name, if it looks like one: SDKs check nothing, and what is recorded must stay readable."""
    fits = isinstance(value, str) and len(value) <= _NAME_CHARS_MAX and value.isprintable()
    return value if fits else None


def _recordable(usage: dict[str, Any]) -> dict[str, Any]:
    """The usage untouched, or nothing of what no event can hold."""
    try:
        return usage if len(msgspec.json.encode(usage)) <= _USAGE_BYTES_MAX else {}
    except (TypeError, ValueError):  # e.g. half a character
        return {}
