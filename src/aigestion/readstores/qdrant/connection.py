"""The connection to a Qdrant server, and what its refusals and silences mean: one error each."""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

import msgspec

from aigestion.kernel.errors import AIGestionError, Misconfigured, Unavailable
from aigestion.readstores.qdrant.port import NoSuchView

if TYPE_CHECKING:  # Importing it takes most of a second: only who connects pays for it.
    from qdrant_client import AsyncQdrantClient

VERSION_MIN = (1, 16)
"""The first that writes conditionally; those before it ignore the condition."""
TIMEOUT_SECONDS = 20
CONNECTIONS_MAX = 16
IDLE_SECONDS_MAX = 2
"""The server hangs up after five: we had better do it first."""

_SAID_CHARS_MAX = 300
_CAUSES_MAX = 10
_WHERE = "check AIGESTION_QDRANT_URL: http or https, host, port"

T = TypeVar("T")


class AlreadyThere(Exception):
    """Somebody else was faster to make it."""


class Connection:
    """A client of a server that is a Qdrant, new enough, and lets us in."""

    def __init__(self, client: "AsyncQdrantClient", url: str) -> None:
        self.client = client
        self._url = url

    @classmethod
    async def open(cls, url: str, api_key: str | None, ca_file: Path | None) -> Self:
        """Raises `Misconfigured` for a wrong address, key or certificate and for an old server.

        `Unavailable` if nobody answers.
        """
        connection = cls(_client(url, api_key, ca_file), url)
        try:
            about = await connection.ask(connection.client.info())
            _check_version(url, about.title, about.version)
            await connection.ping()
        except BaseException:
            await connection.client.close()
            raise
        return connection

    async def ping(self) -> None:
        """Anything that needs the key: who asks for the version does not."""
        await self.ask(self.client.collection_exists("ping"))

    async def ask(self, answer: Awaitable[T], refused: type[AIGestionError] = Misconfigured) -> T:
        """Wait for an answer. `Unavailable` for what may pass, `Misconfigured` for what does not.

        `NoSuchView` or `AlreadyThere` for a collection; `refused` if the request as such is turned down.
        """
        with _translated(self._url, refused):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await answer


def _client(url: str, api_key: str | None, ca_file: Path | None) -> "AsyncQdrantClient":
    from httpx import Limits
    from qdrant_client import AsyncQdrantClient

    try:
        address = urlsplit(url)
        if address.scheme not in ("http", "https") or not address.hostname or address.port == 0:
            raise ValueError(url)
    except ValueError as error:
        raise Misconfigured(f"{url!r} is no address of a Qdrant; {_WHERE}.") from error
    try:
        verify = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # also for a file that is no certificate
        raise Misconfigured(f"The CA file {ca_file} cannot be used: {error}") from error
    return AsyncQdrantClient(
        url=url,
        headers={} if api_key is None else {"api-key": api_key},
        timeout=TIMEOUT_SECONDS,
        limits=Limits(
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=CONNECTIONS_MAX,
            keepalive_expiry=IDLE_SECONDS_MAX,
        ),
        verify=verify,
        check_compatibility=False,  # it warns only, from a thread
    )


def _check_version(url: str, title: str, version: str) -> None:
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if "qdrant" not in title.lower() or numbers is None:
        raise Misconfigured(f"What answers at {url} is not Qdrant but {title!r}; {_WHERE}.")
    if tuple(map(int, numbers.groups())) < VERSION_MIN:
        least = ".".join(map(str, VERSION_MIN))
        raise Misconfigured(f"Qdrant at {url} is {version}; it must be {least} or newer.")


@contextmanager
def _translated(url: str, refused: type[AIGestionError]) -> Iterator[None]:
    from qdrant_client.common.client_exceptions import QdrantException
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    try:
        yield
    except TimeoutError as error:
        raise Unavailable(f"Qdrant at {url} takes too long.", engine="qdrant") from error
    except QdrantException as error:  # it asks to be left alone for a while
        raise Unavailable(f"Qdrant at {url} has too much to do.", engine="qdrant") from error
    except ResponseHandlingException as error:
        raise _silence(url, error.source) from error
    except (ValueError, AssertionError) as error:  # 200, and not JSON or without a result
        raise Misconfigured(f"What answers at {url} is not Qdrant; {_WHERE}.") from error
    except UnexpectedResponse as error:
        raise _refusal(url, error.status_code or 0, _said(error.content), refused) from error


def _silence(url: str, error: Exception) -> AIGestionError:
    if isinstance(error, ValueError):  # an answer, but not what Qdrant answers
        return Misconfigured(f"What answers at {url} is not Qdrant; {_WHERE}.")
    if fault := _tls_fault(error):
        return Misconfigured(
            f"No TLS with Qdrant at {url} ({fault}); {_WHERE}, and "
            "AIGESTION_QDRANT__CA_FILE if its certificate is your own."
        )
    said = str(error) or type(error).__name__
    return Unavailable(f"Qdrant at {url} does not answer: {said}", engine="qdrant")


def _refusal(url: str, status: int, said: str, refused: type[AIGestionError]) -> Exception:
    match status:
        case 401 | 403 if "locked" not in said:
            return Misconfigured(
                f"Qdrant at {url} does not let us in ({said}); set AIGESTION_QDRANT__API_KEY to a key "
                "that may read and write."
            )
        case 404 if "exist" in said:
            return NoSuchView(said)
        case 404 | 405:
            return Misconfigured(f"What answers at {url} is not Qdrant; {_WHERE}.")
        case 409:
            return AlreadyThere(said)
        case 400 | 413 | 422:
            return refused(f"Qdrant at {url} refuses: {said}")
        case _:
            return Unavailable(f"Qdrant at {url} says {status}: {said}", engine="qdrant")


def _said(content: bytes) -> str:
    """A server's own words: JSON with a status, or plain text."""
    try:
        return str(msgspec.json.decode(content)["status"]["error"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return content.decode(errors="replace")[:_SAID_CHARS_MAX].strip()


def _tls_fault(error: BaseException | None) -> str | None:
    for _ in range(_CAUSES_MAX):
        if isinstance(error, ssl.SSLError):
            return error.reason or str(error)
        error = error.__cause__ or error.__context__ if error else None
    return None
