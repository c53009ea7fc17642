"""The models the agents of this process may ask."""

from collections.abc import Mapping
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
    """What agents ask that name no model; nothing is connected or imported before it is asked."""
    provider = settings.models.provider
    if provider == "builtin":
        return BuiltinModel()
    return _model(settings, provider, getattr(settings, provider).model)


def offered_models(settings: Settings) -> Mapping[str, BuiltinModel | SdkModel[Any]]:
    """The models that an agent's definition may name, by that name; the chosen one is the first."""
    models = [chosen_model(settings)]
    models += [_model(settings, *name.split("/", 1)) for name in settings.models.also]
    return {_name(model): model for model in models}


def missing_keys(settings: Settings) -> list[str]:
    """The variables that should hold the vendors' keys and do not."""
    vendors = dict.fromkeys(model.provider for model in offered_models(settings).values())
    return [
        f"AIGESTION_{vendor.upper()}__API_KEY"
        for vendor in vendors
        if vendor != "builtin" and _lacks_key(getattr(settings, vendor))
    ]


def _lacks_key(server: ModelServer) -> bool:
    return server.api_key is None and server.base_url is None


def _name(model: ChatModel) -> str:
    return f"{model.provider}/{model.model}"


def _model(settings: Settings, vendor: str, name: str) -> SdkModel[Any]:
    match vendor:
        case "openai":
            return OpenAIModel(name, api=settings.openai.api, **_reaching(settings.openai))
        case "anthropic":
            return AnthropicModel(name, **_reaching(settings.anthropic))
        case "gemini":
            return GeminiModel(name, **_reaching(settings.gemini))
        case _:
            raise ValueError(f"no vendor is called {vendor!r}")


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
