"""Models behind OpenAI's wire format: its own, and those of every server that speaks it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from aigestion.llm.openai_faults import failed
from aigestion.llm.openai_streams import Finished, Piece, WireEvent, chat_events, responses_events
from aigestion.llm.port import ChatRequest, Done, Failed, StreamEvent, TextDelta

if TYPE_CHECKING:  # The SDK takes a second and 60 MB to import: only who asks a model pays for it.
    from openai import AsyncOpenAI

Api = Literal["chat", "responses"]

_NO_KEY = "none"
"""What is sent to a server that needs no key. The SDK would else send OPENAI_API_KEY's to anybody."""
_ANSWER_CHARS_PER_TOKEN_MAX = 32
"""No tokenizer packs more into a token: a stream beyond this is one that never ends."""


class TimeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a call may take, and its parts."""

    connect_seconds: float = 5.0
    between_chunks_seconds: float = 60.0
    total_seconds: float = 300.0


class OpenAIModel:
    """One model of one server. Connections are kept between calls; `close` ends them.

    `base_url` is that of a compatible server with its `/v1`; None means OpenAI's own.
    Makes one attempt a call; every fault of the server becomes `Failed`.
    """

    provider = "openai"

    def __init__(
        self,
        model: str,
        *,
        api: Api = "responses",
        base_url: str | None = None,
        api_key: str | None = None,
        temperature: float | None = None,
        time_limits: TimeLimits | None = None,
    ) -> None:
        self.model = model
        self.parameters: dict[str, Any] = {"api": api}
        if temperature is not None:
            self.parameters["temperature"] = temperature
        self._api = api
        self._base_url = base_url
        self._api_key = api_key
        self._time_limits = time_limits or TimeLimits()
        self._client: AsyncOpenAI | None = None
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
                yield failed(fault, started=answered.chars > 0)
                return
            # The answer was whole before the server misbehaved: nothing is lost but its usage.
        yield answered.end()

    async def close(self) -> None:
        """Close the connections. The model may be asked again and opens new ones."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    def _events(self, client: "AsyncOpenAI", request: ChatRequest) -> AsyncGenerator[WireEvent]:
        events = chat_events if self._api == "chat" else responses_events
        return events(
            client,
            self.model,
            request,
            own_server=self._base_url is None,
            temperature=self.parameters.get("temperature"),
        )

    async def _connected(self) -> "AsyncOpenAI":
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._new_client)
            return self._client

    def _new_client(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI, Timeout

        limits = self._time_limits
        return AsyncOpenAI(
            api_key=self._api_key or _NO_KEY,
            base_url=self._base_url or "https://api.openai.com/v1",
            timeout=Timeout(limits.between_chunks_seconds, connect=limits.connect_seconds),
            max_retries=0,
        )


class _Answer:
    """What has come of an answer, and how it stands."""

    def __init__(self, model: str, chars_max: int) -> None:
        self.chars = 0
        self._chars_max = chars_max
        self._finished = Finished(model=model)

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
        if not self.chars:
            return Failed("garbage", f"an empty answer ({finished.reason})", retryable=True)
        return Done(
            returned_model=finished.model,
            finish_reason=finished.reason,
            usage=finished.usage,
            input_tokens=finished.input_tokens,
            output_tokens=finished.output_tokens,
        )
