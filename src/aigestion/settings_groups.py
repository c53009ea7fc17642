"""The groups of settings, and what their values must look like."""

import re
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    StringConstraints,
)

Port = Annotated[int, Field(ge=0, le=65535)]


class EngineUrl(SecretStr):
    """Where a server is, with its user and password; prints without the password."""

    def _display(self) -> str:
        return _PASSWORD.sub(r"\1**********@", self.get_secret_value())


def _url(*schemes: str) -> AfterValidator:
    def check(url: EngineUrl) -> EngineUrl:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in schemes or not (parts.hostname or parts.query):
            forms = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ValueError(f"must be a URL that begins with {forms}")
        return url

    return AfterValidator(check)


PostgresUrl = Annotated[EngineUrl, _url("postgresql", "postgres")]
NatsUrl = Annotated[EngineUrl, _url("nats", "tls")]
HttpUrl = Annotated[EngineUrl, _url("http", "https")]
ValkeyUrl = Annotated[EngineUrl, _url("valkey", "valkeys", "redis", "rediss")]


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != value:
        raise ValueError("must be an origin such as https://app.example, without a path")
    return value


Origin = Annotated[str, AfterValidator(_origin)]

_PASSWORD = re.compile(r"(://[^/@]*?:)[^/@]*@")


CheckpointKey = Annotated[
    str, StringConstraints(max_length=200, pattern=r"^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*$")
]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Http(_Group):
    """The HTTP door."""

    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: Port = Field(8080, description="Port the API listens on; 0 picks a free one.")
    cors_origins: tuple[Origin, ...] = Field(
        (),
        description="Web pages whose scripts may call the API, as a JSON list: "
        '`["https://app.example"]`; none if not given.',
    )
    drain_notice_seconds: float = Field(
        0.0,
        ge=0,
        le=60,
        description="How long `/health/ready` says no before a stopping API takes no more: "
        "longer than the load balancer's interval.",
    )


class Operations(_Group):
    """Where a role that has no HTTP door of its own serves health and metrics."""

    host: str = Field("127.0.0.1", description="Address of `/health` and `/metrics`.")
    port: Port = Field(9090, description="Its port; 0 picks a free one.")


class Log(_Group):
    """The event log."""

    name: str = Field(
        "aigestion",
        pattern=r"^[a-z][a-z0-9_]{0,30}$",
        description="Begins every name on servers that are shared: two logs need two.",
    )
    connections_max: int = Field(
        8, ge=2, le=200, description="Connections of the pool for reads and read models."
    )
    master_key_file: Path | None = Field(
        None, description="Holds the key that wraps all others; every process needs the same."
    )
    checkpoint_key_file: Path | None = Field(
        None,
        description="Holds the key that signs checkpoints of the log: for the relay alone. Without it "
        "nothing is signed.",
    )
    checkpoint_keys: tuple[CheckpointKey, ...] = Field(
        (),
        description="Public keys whose checkpoints are believed beside that one's, as a JSON list: earlier "
        "ones, and all of them where the key itself is not.",
    )


class Nats(_Group):
    """The broker, beside its URL."""

    ca_file: Path | None = Field(None, description="Whom to trust for `tls://`, in PEM.")
    replicas: int = Field(1, ge=1, le=5, description="Copies of the stream; 3 survive one loss.")


class ClickHouse(_Group):
    """Analytics on a server, beside its URL."""

    ca_file: Path | None = Field(None, description="Whom to trust for `https://`, in PEM.")
    cluster: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Make replicated tables on this cluster.",
    )
    retention_days: int | None = Field(
        None, ge=1, le=36_500, description="Forget rows that are older; nothing is if not given."
    )


class Elasticsearch(_Group):
    """Search on a server, beside its URL."""

    ca_file: Path | None = Field(None, description="Whom to trust for `https://`, in PEM.")
    api_key: SecretStr | None = Field(None, description="Instead of user and password.")


class Qdrant(_Group):
    """Vectors on a server, beside its URL."""

    ca_file: Path | None = Field(None, description="Whom to trust for `https://`, in PEM.")
    api_key: SecretStr | None = Field(None, description="The server's key, if it asks for one.")


Vendor = Literal["openai", "anthropic", "gemini"]

ModelName = Annotated[
    str,
    StringConstraints(max_length=200, pattern=rf"^({'|'.join(get_args(Vendor))})/[^\s\x00-\x1f]+$"),
]


class Models(_Group):
    """Which models the agents ask."""

    provider: Literal["builtin"] | Vendor = Field(
        "builtin", description="`builtin` quotes the best passages and needs no key."
    )
    also: tuple[ModelName, ...] = Field(
        (),
        max_length=100,
        description="More models that an agent's definition may name, as a JSON list: "
        '`["anthropic/claude-opus-5"]`. Each vendor is reached as its own group says.',
    )


class ModelServer(_Group):
    """A server that models are asked on, and how long it may take."""

    api_key: SecretStr | None = Field(
        None, description="The provider's key. A server of your own may need none."
    )
    base_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Another server than the vendor's, without the version in its path.",
    )
    connect_timeout_seconds: float = Field(5.0, gt=0, le=60, description="Time to connect.")
    read_timeout_seconds: float = Field(
        60.0, gt=0, le=600, description="Longest silence between two pieces of an answer."
    )
    total_timeout_seconds: float = Field(
        300.0, gt=0, le=3600, description="Longest time one answer may take."
    )


class OpenAI(ModelServer):
    """Any server that speaks OpenAI's wire format."""

    base_url: str | None = Field(
        None, pattern=r"^https?://", description="E.g. `http://127.0.0.1:11434/v1`."
    )
    model: str = Field("gpt-5-mini", min_length=1, description="The model that is asked.")
    api: Literal["chat", "responses"] = Field(
        "responses", description="`chat` (completions) is what most local servers speak."
    )


class Anthropic(ModelServer):
    """Anthropic, or a gateway that speaks its wire format."""

    model: str = Field("claude-sonnet-5-5", min_length=1, description="The model that is asked.")


class Gemini(ModelServer):
    """Google's Gemini API, or a gateway that speaks its wire format."""

    model: str = Field("gemini-3.8-flash", min_length=1, description="The model that is asked.")


class Limits(_Group):
    """How much a caller may ask for in a minute."""

    enabled: bool = Field(False, description="Whether there are limits.")
    read_per_minute: int = Field(
        6_000, ge=1, le=1_000_000, description="Units of reading a key may spend."
    )
    write_per_minute: int = Field(
        1_200, ge=1, le=1_000_000, description="Units of writing a key may spend."
    )
    expensive_per_minute: int = Field(
        600, ge=1, le=1_000_000, description="Units of what makes a model or an engine work."
    )
    tenant_factor: int = Field(
        5, ge=1, le=1_000, description="How many times as much all keys of a tenant may spend."
    )
    failures_per_minute: int = Field(
        120, ge=1, le=1_000_000, description="Bad keys from one address."
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        (), description="Networks whose `X-Forwarded-For` is believed."
    )


class Logging(_Group):
    """What the program says about itself."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "warning", description="Least level shown."
    )
    format: Literal["text", "json"] = Field("text", description="`json` writes one object a line.")
