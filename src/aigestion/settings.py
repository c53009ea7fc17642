"""One validated tree of settings, from `AIGESTION_*` or a file; every fault is listed at once.

`AIGESTION_OPENAI__API_KEY=…` sets `openai.api_key`; `AIGESTION_SETTINGS_FILE` names a TOML file with
the same names, and `AIGESTION_SECRETS_DIR` a folder of files named like the variables. The environment
wins over both. Secrets have no default and print as `**********`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from aigestion.kernel.errors import Misconfigured
from aigestion.settings_groups import (
    Anthropic,
    ClickHouse,
    Elasticsearch,
    Gemini,
    Http,
    HttpUrl,
    Limits,
    Log,
    Logging,
    Models,
    ModelServer,
    Nats,
    NatsUrl,
    OpenAI,
    Operations,
    PostgresUrl,
    Qdrant,
    ValkeyUrl,
)


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix="AIGESTION_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_dir: Path = Field(Path(".aigestion"), description="Where `aigestion up` keeps its state.")
    postgres_url: PostgresUrl | None = Field(
        None, description="The log's database, as the runtime role. Roles need it."
    )
    postgres_owner_url: PostgresUrl | None = Field(
        None, description="The same database as its owner: for `aigestion migrate` alone."
    )
    nats_url: NatsUrl | None = Field(None, description="The broker. Roles need it.")
    clickhouse_url: HttpUrl | None = Field(
        None, description="Analytics over HTTP. Roles that read or keep read models need it."
    )
    elasticsearch_url: HttpUrl | None = Field(
        None, description="Search; without it PostgreSQL searches."
    )
    qdrant_url: HttpUrl | None = Field(
        None, description="Vectors. Roles that read or keep read models need it."
    )
    valkey_url: ValkeyUrl | None = Field(
        None, description="Cache and rate limits of all processes; without it each has its own."
    )
    operator_key: SecretStr | None = Field(
        None, min_length=32, description="Opens what only the operator may do over HTTP."
    )
    http: Http = Http()
    operations: Operations = Operations()
    log: Log = Log()
    nats: Nats = Nats()
    clickhouse: ClickHouse = ClickHouse()
    elasticsearch: Elasticsearch = Elasticsearch()
    qdrant: Qdrant = Qdrant()
    models: Models = Models()
    openai: OpenAI = OpenAI()
    anthropic: Anthropic = Anthropic()
    gemini: Gemini = Gemini()
    limits: Limits = Limits()
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
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if folder := os.environ.get(_SECRETS_VARIABLE):
            sources.append(_SecretFiles(settings_cls, Path(folder)))
        if file := os.environ.get(_FILE_VARIABLE):
            sources.append(TomlConfigSettingsSource(settings_cls, file))
        return tuple(sources)


class _SecretFiles(EnvSettingsSource):
    """A folder of files, each named like a variable in lower case: what orchestrators mount."""

    def __init__(self, settings_cls: type[BaseSettings], folder: Path) -> None:
        self._folder = folder
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {
            path.name.lower(): path.read_text().strip()
            for path in self._folder.iterdir()
            if path.name.lower().startswith("aigestion_") and path.is_file()
        }


_FILE_VARIABLE = "AIGESTION_SETTINGS_FILE"
_SECRETS_VARIABLE = "AIGESTION_SECRETS_DIR"
_VENDOR_NAMES = (
    ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    ("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    ("gemini", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
)
_NOT_SETTINGS = {_FILE_VARIABLE, _SECRETS_VARIABLE, "AIGESTION_URL", "AIGESTION_KEY"}
"""The last two are options of commands: where to ask, and with which key."""


def load_settings(**overrides: Any) -> Settings:
    """Read and validate everything; `Misconfigured` lists every fault, with what was given masked."""
    faults: list[str] = []
    file, folder = os.environ.get(_FILE_VARIABLE), os.environ.get(_SECRETS_VARIABLE)
    if file and not Path(file).is_file():
        faults.append(f"{_FILE_VARIABLE}: there is no file {file}")
    if folder and not Path(folder).is_dir():
        faults.append(f"{_SECRETS_VARIABLE}: there is no folder {folder}")
    if faults:
        raise Misconfigured(_sentence(faults), errors=faults)
    faults += [f"{name}: there is no such setting" for name in _unknown_variables()]
    settings: Settings | None = None
    try:
        settings = _with_vendor_names(Settings(**overrides))
    except ValidationError as error:
        faults += [
            f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        ]
    except (
        ValueError,
        OSError,
    ) as error:  # a TOML file that is none, or JSON in a variable that is none
        faults.append(str(error))
    if faults or settings is None:
        raise Misconfigured(_sentence(faults), errors=faults)
    return settings


def _with_vendor_names(settings: Settings) -> Settings:
    """A vendor's own variables count where ours say nothing: both or neither, so that a key meant
    for one server is never sent to another."""
    found: dict[str, ModelServer] = {}
    for group, key, url in _VENDOR_NAMES:
        ours: ModelServer = getattr(settings, group)
        if ours.api_key is not None or ours.base_url is not None:
            continue
        vendor = {"api_key": os.environ.get(key) or None, "base_url": os.environ.get(url) or None}
        try:
            found[group] = ours.model_validate(ours.model_dump() | vendor)
        except ValidationError as error:
            raise ValueError(
                f"{url}: must be a URL that begins with http:// or https://"
            ) from error
    return settings.model_copy(update=found)


def _unknown_variables() -> list[str]:
    """Variables with our prefix that set nothing: a typing error must not pass in silence."""
    names = (name for name in os.environ if name.startswith("AIGESTION_"))
    return sorted(name for name in names if name not in _NOT_SETTINGS and _group(name) is None)


def _group(variable: str) -> str | None:
    group = variable.removeprefix("AIGESTION_").lower().partition("__")[0]
    return group if group in Settings.model_fields else None


def _sentence(faults: list[str]) -> str:
    return "The settings have faults: " + "; ".join(faults)
