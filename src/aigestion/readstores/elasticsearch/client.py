"""A client of an Elasticsearch cluster, of version 8 or 9; who cannot be used is turned away with a sentence."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from aigestion.kernel.errors import AIGestionError, Misconfigured, Unavailable
from aigestion.readstores.elasticsearch.answering import ENGINE, MAY_PASS, reason_of

if TYPE_CHECKING:  # Importing it takes more than a second: only who opens a client pays for it.
    from elasticsearch import AsyncElasticsearch

REQUEST_SECONDS_MAX = 10.0
RETRIES_MAX = 1
"""After a connection broke: every request of ours may be made twice."""
RETRY_PAUSE_SECONDS = 0.1
VERSIONS = (8, 9)
_WANTED = " or ".join(str(version) for version in VERSIONS)
_PORTS = {"http": 9200, "https": 443}
_WHO = "/_nodes?filter_path=nodes.*.version"


@asynccontextmanager
async def opened_elasticsearch(
    url: str, *, api_key: str | None = None, ca_file: Path | None = None
) -> AsyncIterator["AsyncElasticsearch"]:
    """A client that speaks the server's version; closed in the end.

    `url` may carry `user:password@`; `ca_file` holds the certificate of who signed the server's. Raises
    `Misconfigured` for what a person has to put right, `Unavailable` for a server that does not answer.
    """
    client = _client(url, api_key, ca_file)
    try:
        client.transport.compatible_with = await _version(client, _address(_parsed(url)))
        yield client
    finally:
        await client.close()


def _client(url: str, api_key: str | None, ca_file: Path | None) -> Any:
    from elasticsearch import AsyncElasticsearch

    parts = _parsed(url)
    options: dict[str, Any] = {}
    if parts.username:
        options["basic_auth"] = (unquote(parts.username), unquote(parts.password or ""))
    if api_key:
        if parts.username:
            raise Misconfigured("Give Elasticsearch a user in its URL or an API key, not both.")
        options["api_key"] = api_key
    if ca_file is not None:
        if not ca_file.is_file():
            raise Misconfigured(f"There is no certificate file {ca_file}.")
        if parts.scheme == "https":
            options["ca_certs"] = str(ca_file)
    try:
        return AsyncElasticsearch(
            _address(parts),
            transport_class=_transport_class(),
            request_timeout=REQUEST_SECONDS_MAX,
            max_retries=RETRIES_MAX,
            retry_on_status=(),
            retry_backoff_base=RETRY_PAUSE_SECONDS,
            retry_backoff_cap=RETRY_PAUSE_SECONDS,
            **options,
        )
    except (ValueError, OSError) as error:
        raise Misconfigured(
            f"Elasticsearch cannot be reached at {_address(parts)}: {error}"
        ) from error


@cache
def _transport_class() -> type[Any]:
    from elastic_transport import AsyncTransport

    class Compatible(AsyncTransport):
        """Asks in the words of the server's version: one of version 8 refuses those of 9."""

        compatible_with: int | None = None
        """None: in plain JSON, which every version answers, and so do those who are no Elasticsearch."""

        async def perform_request(self, method: str, target: str, **how: Any) -> Any:  # type: ignore[override]
            how["headers"] = {
                name: _in_words_of(self.compatible_with, value)
                for name, value in (how.get("headers") or {}).items()
            }
            return await super().perform_request(method, target, **how)

    return Compatible


def _in_words_of(version: int | None, header: str) -> str:
    if version is None:
        return header.replace(f"vnd.elasticsearch+json; compatible-with={max(VERSIONS)}", "json")
    return header.replace(f"compatible-with={max(VERSIONS)}", f"compatible-with={version}")


async def _version(client: Any, address: str) -> int:
    """The major version of the cluster's oldest node: the one all of its nodes understand."""
    from elasticsearch import (
        ApiError,
        SerializationError,
        SSLError,
        TransportError,
        UnsupportedProductError,
    )

    try:
        answer = await client.perform_request("GET", _WHO, headers={"accept": "application/json"})
    except SSLError as error:
        raise Misconfigured(
            f"The certificate of Elasticsearch at {address} is not trusted: give the file of the CA "
            f"that signed it ({error})."
        ) from error
    except SerializationError as error:
        raise Misconfigured(f"What answers at {address} is not Elasticsearch.") from error
    except TransportError as error:
        raise Unavailable(
            f"Elasticsearch does not answer at {address} ({error}).", engine=ENGINE
        ) from error
    except UnsupportedProductError as error:
        raise _another_product(error.body, address) from error
    except ApiError as error:
        raise _refused(error.meta.status, error.body, address) from error
    return _checked(answer.body, address)


def _refused(status: int, body: Any, address: str) -> AIGestionError:
    reason = reason_of(body)
    if status in MAY_PASS:
        return Unavailable(f"Elasticsearch at {address} is not ready ({reason}).", engine=ENGINE)
    match status:
        case 401:
            what = "does not know this user, password or API key: check them in the settings"
        case 403:
            what = 'lets this user in but not look at the cluster: give it the privilege "monitor"'
        case _:
            return Misconfigured(f"What answers at {address} is not Elasticsearch ({status}).")
    return Misconfigured(f"Elasticsearch at {address} {what} ({reason}).")


def _another_product(body: Any, address: str) -> Misconfigured:
    found = f" (version {versions[0]})" if (versions := _versions(body)) else ""
    return Misconfigured(
        f"What answers at {address}{found} is not Elasticsearch {_WANTED}: it is another product, such as "
        "OpenSearch, or too old."
    )


def _checked(body: Any, address: str) -> int:
    versions = _versions(body)
    if not versions:
        raise Misconfigured(f"What answers at {address} is not Elasticsearch.")
    major = _major(versions[0])
    if major not in VERSIONS:
        raise Misconfigured(
            f"Elasticsearch at {address} has version {versions[0]}, this program needs {_WANTED}: "
            f"{'upgrade the cluster' if major < min(VERSIONS) else 'use a newer AIGestion'}."
        )
    return major


def _versions(body: Any) -> list[str]:
    """Of the cluster's nodes, the oldest first."""
    nodes = body.get("nodes") if isinstance(body, dict) else None
    versions = [str(node.get("version")) for node in (nodes or {}).values()]
    return sorted((version for version in versions if version[:1].isdecimal()), key=_major)


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Misconfigured(f"The URL of Elasticsearch is none: {error}.") from error
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or parts.query:
        raise Misconfigured(
            "The URL of Elasticsearch must be like https://user:password@host:9200."
        )
    return parts


def _address(parts: SplitResult) -> str:
    """The URL without a credential, with a port."""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or _PORTS[parts.scheme]}{parts.path.rstrip('/')}"
