"""Models behind Anthropic's Messages API."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aigestion.llm.port import ChatRequest
from aigestion.llm.prompt import messages_of
from aigestion.llm.sdk_faults import unwrapped
from aigestion.llm.sdk_model import NO_KEY, SdkModel
from aigestion.llm.wire import Finished, Piece, WireEvent, said, tokens

if TYPE_CHECKING:  # The SDK takes two seconds and 90 MB to import: only who asks pays for it.
    from anthropic import AsyncAnthropic

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}


class AnthropicModel(SdkModel["AsyncAnthropic"]):
    """`base_url` is that of a gateway, without `/v1`."""

    provider = "anthropic"

    def _new_client(self) -> "AsyncAnthropic":
        from anthropic import AsyncAnthropic, Timeout

        limits = self._time_limits
        return AsyncAnthropic(
            api_key=self._api_key or NO_KEY,
            base_url=self._base_url or "https://api.anthropic.com",
            timeout=Timeout(limits.between_chunks_seconds, connect=limits.connect_seconds),
            max_retries=0,
        )

    async def _close(self, client: "AsyncAnthropic") -> None:
        await client.close()

    async def _events(
        self, client: "AsyncAnthropic", request: ChatRequest
    ) -> AsyncGenerator[WireEvent]:
        create: Callable[..., Awaitable[Any]] = client.messages.create
        events = await create(
            model=self.model,
            system=request.system,
            messages=messages_of(request),
            max_tokens=request.output_tokens_max,
            stream=True,
        )
        usage: dict[str, Any] = {}
        async with events:
            async for event in events:
                match event.type:
                    case "message_start":
                        usage = said(event.message.usage)
                        yield Finished(model=event.message.model or "")
                    case "content_block_delta" if event.delta.type == "text_delta":
                        yield Piece(event.delta.text)
                    case "message_delta":
                        # Counts so far, not differences; what it leaves out stands as it was.
                        later = said(event.usage)
                        usage |= {name: v for name, v in later.items() if v is not None}
                        yield _end(event.delta.stop_reason, usage)
                    case _:
                        pass  # Thinking and the frames of blocks: nothing of the answer's text.

    def _unwrapped(self, fault: Exception) -> Exception:
        import anthropic

        return unwrapped(anthropic, fault, getattr(fault, "type", None))


def _end(reason: str | None, usage: dict[str, Any]) -> Finished:
    return Finished(
        reason=reason and _REASONS.get(reason, reason),
        refused=reason == "refusal",
        usage=usage,
        # What was read from the cache or written to it is not in `input_tokens`.
        input_tokens=tokens(
            usage, "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"
        ),
        output_tokens=tokens(usage, "output_tokens"),
    )
