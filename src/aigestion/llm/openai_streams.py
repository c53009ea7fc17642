"""The two wire formats, chat completions and responses, read into one small vocabulary."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from aigestion.llm.port import ChatRequest
from aigestion.llm.prompt import messages_of
from aigestion.llm.wire import Finished, Piece, StreamFault, WireEvent, said, tokens

if TYPE_CHECKING:
    from openai import AsyncOpenAI


_Call: TypeAlias = Callable[..., Awaitable[Any]]
"""The SDK builds its objects unchecked: what a server sent may have any shape, so its types promise nothing."""


async def chat_events(
    client: "AsyncOpenAI",
    model: str,
    request: ChatRequest,
    *,
    own_server: bool,
    temperature: float | None,
) -> AsyncGenerator[WireEvent]:
    """Ask through chat completions: what most servers speak."""
    # OpenAI's newer models refuse the name that every other server knows.
    limit = "max_completion_tokens" if own_server else "max_tokens"
    options: dict[str, Any] = {limit: request.output_tokens_max}
    if temperature is not None:
        options["temperature"] = temperature
    create: _Call = client.chat.completions.create
    chunks = await create(
        model=model,
        messages=[{"role": "system", "content": request.system}, *messages_of(request)],
        stream=True,
        stream_options={"include_usage": True},
        **options,
    )
    async with chunks:
        async for chunk in chunks:
            yield Finished(model=chunk.model or "")
            if chunk.usage is not None:
                yield _usage(chunk.usage, "prompt_tokens", "completion_tokens")
            for choice in chunk.choices[:1]:
                if choice.delta.content:
                    yield Piece(choice.delta.content)
                refused = bool(choice.delta.refusal)
                yield Finished(reason=choice.finish_reason, refused=refused)


async def responses_events(
    client: "AsyncOpenAI",
    model: str,
    request: ChatRequest,
    *,
    own_server: bool,
    temperature: float | None,
) -> AsyncGenerator[WireEvent]:
    """Ask through responses: what OpenAI's own documentation leads with."""
    options: dict[str, Any] = {} if temperature is None else {"temperature": temperature}
    create: _Call = client.responses.create
    events = await create(
        model=model,
        instructions=request.system,
        input=messages_of(request),
        max_output_tokens=request.output_tokens_max,
        store=False,
        stream=True,
        **options,
    )
    async with events:
        async for event in events:
            match event.type:
                case "response.output_text.delta":
                    yield Piece(event.delta)
                case "response.refusal.delta":
                    yield Finished(refused=True)
                case "response.completed" | "response.incomplete":
                    yield _response_end(event.response)
                case "response.failed":
                    error = event.response.error
                    raise StreamFault(error.code if error else None)
                case "error":
                    raise StreamFault(event.code)
                case _:
                    pass  # Progress, reasoning and annotations: nothing of the answer's text.


def _response_end(response: Any) -> Finished:
    incomplete = response.incomplete_details.reason if response.incomplete_details else None
    reason = "length" if incomplete == "max_output_tokens" else incomplete or "stop"
    end = Finished(model=response.model or "", reason=reason)
    if response.usage is None:
        return end
    return end.merged(_usage(response.usage, "input_tokens", "output_tokens"))


def _usage(usage: Any, input_name: str, output_name: str) -> Finished:
    usage = said(usage)
    return Finished(
        usage=usage,
        input_tokens=tokens(usage, input_name),
        output_tokens=tokens(usage, output_name),
    )
