"""The model the agents of this process ask."""

from typing import Any

from aigestion.llm.anthropic import AnthropicModel
from aigestion.llm.builtin import BuiltinModel
from aigestion.llm.gemini import GeminiModel
from aigestion.llm.openai import OpenAIModel
from aigestion.llm.port import ChatModel
from aigestion.llm.sdk_model import SdkModel, TimeLimits
from aigestion.settings import Settings
from aigestion.settings_groups import ModelServer


def chosen_model(settings: Settings) -> BuiltinModel | SdkModel[Any]:
    """The model of the chosen provider; nothing is connected or imported before it is asked."""
    match settings.models.provider:
        case "builtin":
            return BuiltinModel()
        case "openai":
            openai = settings.openai
            return OpenAIModel(openai.model, api=openai.api, **_reaching(openai))
        case "anthropic":
            return AnthropicModel(settings.anthropic.model, **_reaching(settings.anthropic))
        case "gemini":
            return GeminiModel(settings.gemini.model, **_reaching(settings.gemini))


def model_name(model: ChatModel) -> str:
    """What an agent's definition calls it."""
    return f"{model.provider}/{model.model}"


def models_offered(settings: Settings) -> tuple[str, ...]:
    """The names of the models that agents may ask, as far as settings tell."""
    return (model_name(chosen_model(settings)),)


def missing_key(settings: Settings) -> str | None:
    """The variable that should hold the chosen vendor's key; None if nothing is missing."""
    provider = settings.models.provider
    if provider == "builtin":
        return None
    server: ModelServer = getattr(settings, provider)
    needed = server.api_key is None and server.base_url is None
    return f"AIGESTION_{provider.upper()}__API_KEY" if needed else None


def _reaching(server: ModelServer) -> dict[str, Any]:
    return {
        "base_url": server.base_url,
        "api_key": server.api_key.get_secret_value() if server.api_key else None,
        "time_limits": TimeLimits(
            connect_seconds=server.connect_timeout_seconds,
            between_chunks_seconds=server.read_timeout_seconds,
            total_seconds=server.total_timeout_seconds,
        ),
    }
