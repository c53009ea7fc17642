"""Models behind OpenAI's wire format: its own, and those of every server that speaks it."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Literal

from aigestion.llm.openai_streams import chat_events, responses_events
from aigestion.llm.port import ChatRequest
from aigestion.llm.sdk_faults import unwrapped
from aigestion.llm.sdk_model import NO_KEY, SdkModel, TimeLimits
from aigestion.llm.wire import WireEvent

if TYPE_CHECKING:  # The SDK takes a second and 60 MB to import: only who asks a model pays for it.
    from openai import AsyncOpenAI

Api = Literal["chat", "responses"]


class OpenAIModel(SdkModel["AsyncOpenAI"]):
    """`base_url` is that of a compatible server, with its `/v1`."""

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
        super().__init__(model, base_url=base_url, api_key=api_key, time_limits=time_limits)
        self.parameters |= {"api": api}
        if temperature is not None:
            self.parameters["temperature"] = temperature
        self._api = api

    def _new_client(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI, Timeout

        limits = self._time_limits
        return AsyncOpenAI(
            api_key=self._api_key or NO_KEY,
            base_url=self._base_url or "https://api.openai.com/v1",
            timeout=Timeout(limits.between_chunks_seconds, connect=limits.connect_seconds),
            max_retries=0,
        )

    async def _close(self, client: "AsyncOpenAI") -> None:
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

    def _unwrapped(self, fault: Exception) -> Exception:
        import openai

        return unwrapped(openai, fault, getattr(fault, "code", None))
