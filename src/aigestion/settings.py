"""One validated tree of settings, from `AIGESTION_*` or a file; every fault is listed at once.

`AIGESTION_OPENAI__API_KEY=…` sets `openai.api_key`; `AIGESTION_SETTINGS_FILE` names a TOML file with
the same names. The environment wins over the file. Secrets have no default and print as `**********`.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from aigestion.kernel.errors import Misconfigured

Port = Annotated[int, Field(ge=0, le=65535)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Http(_Group):
    """The HTTP door."""

    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: Port = Field(8080, description="Port the API listens on; 0 picks a free one.")


class Log(_Group):
    """The event log."""

    connections_max: int = Field(
        8, ge=2, le=200, description="Connections of the pool for reads and read models."
    )


class Models(_Group):
    """Which model the agents ask."""

    provider: Literal["builtin", "openai"] = Field(
        "builtin", description="`builtin` quotes the best passages and needs no key."
    )


class OpenAI(_Group):
    """Any server that speaks OpenAI's wire format."""

    api_key: SecretStr | None = Field(
        None, description="The provider's key. Local servers need none."
    )
    base_url: str | None = Field(
        None, pattern=r"^https?://", description="E.g. `http://127.0.0.1:11434/v1`."
    )
    model: str = Field("gpt-5-mini", min_length=1, description="The model that is asked.")
    api: Literal["chat", "responses"] = Field(
        "responses", description="`chat` (completions) is what most local servers speak."
    )
    connect_timeout_seconds: float = Field(5.0, gt=0, le=60, description="Time to connect.")
    read_timeout_seconds: float = Field(
        60.0, gt=0, le=600, description="Longest silence between two pieces of an answer."
    )
    total_timeout_seconds: float = Field(
        300.0, gt=0, le=3600, description="Longest time one answer may take."
    )


class Logging(_Group):
    """What the program says about itself."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "warning", description="Least level shown."
    )
    format: Literal["text", "json"] = Field("text", description="`json` writes one object a line.")


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix="AIGESTION_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_dir: Path = Field(Path(".aigestion"), description="Where `aigestion up` keeps its state.")
    http: Http = Http()
    log: Log = Log()
    models: Models = Models()
    openai: OpenAI = OpenAI()
    logging: Logging = Logging()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get(_FILE_VARIABLE)
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        return (*sources, TomlConfigSettingsSource(settings_cls, file)) if file else sources


_FILE_VARIABLE = "AIGESTION_SETTINGS_FILE"
_NOT_SETTINGS = {_FILE_VARIABLE}


def load_settings(**overrides: Any) -> Settings:
    """Read and validate everything; `Misconfigured` lists every fault, with what was given masked."""
    faults: list[str] = []
    file = os.environ.get(_FILE_VARIABLE)
    if file and not Path(file).is_file():
        faults.append(f"{_FILE_VARIABLE}: there is no file {file}")
        raise Misconfigured(_sentence(faults), errors=faults)
    faults += [f"{name}: there is no such setting" for name in _unknown_variables()]
    settings: Settings | None = None
    try:
        settings = _with_vendor_names(Settings(**overrides))
    except ValidationError as error:
        faults += [
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()
        ]
    except ValueError as error:  # a TOML file that is none, or JSON in a variable that is none
        faults.append(str(error))
    if faults or settings is None:
        raise Misconfigured(_sentence(faults), errors=faults)
    return settings


def _with_vendor_names(settings: Settings) -> Settings:
    """`OPENAI_API_KEY` and `OPENAI_BASE_URL` count where our own names say nothing: both or neither,
    so that a key meant for one server is never sent to another."""
    if settings.openai.api_key is not None or settings.openai.base_url is not None:
        return settings
    vendor = {
        "api_key": os.environ.get("OPENAI_API_KEY") or None,
        "base_url": os.environ.get("OPENAI_BASE_URL") or None,
    }
    openai = OpenAI.model_validate(settings.openai.model_dump() | vendor)
    return settings.model_copy(update={"openai": openai})


def _unknown_variables() -> list[str]:
    """Variables with our prefix that set nothing: a typing error must not pass in silence."""
    names = (name for name in os.environ if name.startswith("AIGESTION_"))
    return sorted(name for name in names if name not in _NOT_SETTINGS and _group(name) is None)


def _group(variable: str) -> str | None:
    group = variable.removeprefix("AIGESTION_").lower().partition("__")[0]
    return group if group in Settings.model_fields else None


def _sentence(faults: list[str]) -> str:
    return "The settings have faults: " + "; ".join(faults)
