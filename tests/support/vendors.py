"""Every way to a vendor's model, through its SDK, on the fake server."""

from collections.abc import Callable
from typing import Any

from aigestion.llm.anthropic import AnthropicModel
from aigestion.llm.gemini import GeminiModel
from aigestion.llm.openai import OpenAIModel
from aigestion.llm.sdk_model import SdkModel, TimeLimits
from tests.support.fake_models import FakeModels

VENDORS: dict[str, Callable[[FakeModels, TimeLimits], SdkModel[Any]]] = {
    "openai chat": lambda server, limits: OpenAIModel(
        "a-model", api="chat", base_url=server.openai_url, time_limits=limits
    ),
    "openai responses": lambda server, limits: OpenAIModel(
        "a-model", api="responses", base_url=server.openai_url, time_limits=limits
    ),
    "anthropic": lambda server, limits: AnthropicModel(
        "a-model", base_url=server.url, time_limits=limits
    ),
    "gemini": lambda server, limits: GeminiModel(
        "a-model", base_url=server.url, time_limits=limits
    ),
}
