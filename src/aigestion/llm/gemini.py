"""Models behind Google's Gemini API."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from aigestion.llm.port import ChatRequest
from aigestion.llm.prompt import messages_of
from aigestion.llm.sdk_faults import retry_after
from aigestion.llm.sdk_model import NO_KEY, SdkModel
from aigestion.llm.wire import Finished, Piece, StatusFault, WireEvent, said, tokens

if TYPE_CHECKING:  # The SDK takes a second and 80 MB to import: only who asks a model pays for it.
    from google.genai import Client
    from httpx2 import AsyncClient, Request, Response

CONNECTIONS_MAX = 1000
"""As many as the other vendors' SDKs open."""
_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "ESCALATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
}
_opened: ContextVar[list["Response"]] = ContextVar("opened")
"""The responses of the call under way."""


class _Connected(NamedTuple):
    """The SDK's client, and the connections under it, which it does not close."""

    genai: "Client"
    http: "AsyncClient"


class GeminiModel(SdkModel[_Connected]):
    """`base_url` is that of a gateway, without the API's version."""

    provider = "gemini"

    def _new_client(self) -> _Connected:
        import httpx2
        from google.genai import Client
        from google.genai.types import HttpOptions

        limits = self._time_limits
        timeout = httpx2.Timeout(limits.between_chunks_seconds, connect=limits.connect_seconds)

        async def limit(request: "Request") -> None:
            # The SDK knows only one limit for everything, or none, and overrules its client's own.
            request.extensions["timeout"] = timeout.as_dict()

        async def remember(response: "Response") -> None:
            _opened.get().append(response)

        # A client of ours, because the SDK's own is another library's that asks twice where a
        # connection breaks.
        http = httpx2.AsyncClient(
            timeout=timeout,
            limits=httpx2.Limits(max_connections=CONNECTIONS_MAX),
            event_hooks={"request": [limit], "response": [remember]},
        )
        genai = Client(
            vertexai=False,
            api_key=self._api_key or NO_KEY,
            http_options=HttpOptions(
                base_url=self._base_url or "https://generativelanguage.googleapis.com",
                httpx_async_client=http,
            ),
        )
        return _Connected(genai, http)

    async def _close(self, client: _Connected) -> None:
        client.genai.close()
        await client.http.aclose()

    async def _events(self, client: _Connected, request: ChatRequest) -> AsyncGenerator[WireEvent]:
        opened: list[Response] = []
        _opened.set(opened)
        generate: Callable[..., Awaitable[Any]] = client.genai.aio.models.generate_content_stream
        chunks = await generate(model=self.model, **_asked(request))
        try:
            async for chunk in chunks:
                for event in _read(chunk):
                    yield event
        finally:
            # The SDK leaves a stream that is not read to its end to the garbage collector.
            for response in opened:
                await response.aclose()

    def _unwrapped(self, fault: Exception) -> Exception:
        from google.genai.errors import APIError

        if not isinstance(fault, APIError):
            return fault
        wait = retry_after(fault.response.headers) or _retry_delay(fault.details)
        return StatusFault(fault.code, fault.status, wait)


def _asked(request: ChatRequest) -> dict[str, Any]:
    roles = {"user": "user", "assistant": "model"}
    return {
        "contents": [
            {"role": roles[message["role"]], "parts": [{"text": message["content"]}]}
            for message in messages_of(request)
        ],
        "config": {
            "system_instruction": request.system,
            "max_output_tokens": request.output_tokens_max,
            # One attempt is one request.
            "automatic_continuation": False,
            "automatic_function_calling": {"disable": True},
        },
    }


def _read(chunk: Any) -> Iterator[WireEvent]:
    yield Finished(model=chunk.model_version or "")
    if chunk.usage_metadata is not None:
        yield _usage(chunk.usage_metadata)
    if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
        yield Finished(reason="content_filter")
    for candidate in (chunk.candidates or [])[:1]:
        for part in (candidate.content and candidate.content.parts) or []:
            if part.text and not part.thought:
                yield Piece(part.text)
        if reason := candidate.finish_reason:
            yield Finished(reason=_REASONS.get(reason.value, reason.value.lower()))


def _usage(metadata: Any) -> Finished:
    usage = said(metadata.model_dump(mode="json", by_alias=True, exclude_none=True))
    return Finished(
        usage=usage,
        input_tokens=tokens(usage, "promptTokenCount", "toolUsePromptTokenCount"),
        # What was thought and not said is paid for all the same.
        output_tokens=tokens(usage, "candidatesTokenCount", "thoughtsTokenCount"),
    )


def _retry_delay(details: Any) -> float | None:
    """How long Google asks to be left alone: it says so in the error's body, as `"7s"`."""
    error = details.get("error") if isinstance(details, Mapping) else None
    infos = error.get("details") if isinstance(error, Mapping) else None
    for info in infos if isinstance(infos, list) else []:
        delay = info.get("retryDelay") if isinstance(info, Mapping) else None
        if isinstance(delay, str) and delay.endswith("s"):
            try:
                return max(0.0, float(delay[:-1]))
            except ValueError:
                return None
    return None
