"""A client of a Valkey (or Redis) server, from a URL, looked at before it is used."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aigestion.kernel.errors import AIGestionError, Misconfigured, Unavailable
from aigestion.valkey.breaker import Breaker

if TYPE_CHECKING:  # Importing it takes 0.2 s: only who uses a server pays for it.
    from valkey.asyncio import Valkey

ENGINE = "valkey"
SETTING = "AIGESTION_VALKEY_URL"
SCHEMES = ("valkey", "valkeys", "redis", "rediss")
CONNECT_SECONDS_MAX = 2.0
CONNECTIONS_MAX = 32
POOL_WAIT_SECONDS_MAX = 0.25
VERSION_MIN = (7, 0)
"""Of the protocol's dialect; every Valkey has it."""


@asynccontextmanager
async def opened_valkey(url: str) -> AsyncIterator["Valkey"]:
    """A client inside the block, once its server has answered and is one that can be used.

    `valkeys://` and `rediss://` speak TLS and check the certificate and its name; a CA of one's own is
    named by `?ssl_ca_certs=/path`. Raises `Misconfigured` for what only a person can change, and
    `Unavailable` if nobody answers. No message holds the password.
    """
    client = _client(url)
    try:
        await _look(client, url)
        yield client
    finally:
        await client.aclose()


def breaker() -> Breaker:
    """A breaker for calls of such a client."""
    from valkey.exceptions import ValkeyError

    return Breaker(ENGINE, (ValkeyError,))


def _client(url: str) -> "Valkey":
    from valkey.asyncio import BlockingConnectionPool, Valkey

    if urlsplit(url).scheme not in SCHEMES:
        raise _misconfigured(f"must begin with {', '.join(f'{one}://' for one in SCHEMES[:-1])} or "
                             f"{SCHEMES[-1]}://")  # fmt: skip
    options: dict[str, Any] = {
        "max_connections": CONNECTIONS_MAX,
        "timeout": POOL_WAIT_SECONDS_MAX,
        "socket_timeout": None,  # callers bound a whole call; the client would start a task a command
        "socket_connect_timeout": CONNECT_SECONDS_MAX,
        "client_name": "aigestion",
        "lib_name": None,
        "lib_version": None,
    }
    if urlsplit(url).scheme in ("valkeys", "rediss"):
        options["ssl_check_hostname"] = True
    try:
        pool = BlockingConnectionPool.from_url(url, **options)
        pool.make_connection()  # type: ignore[no-untyped-call]  # an option nobody knows shows here
    except (ValueError, TypeError) as error:
        raise _misconfigured(f"is not a URL the client takes: {error}") from None
    return Valkey.from_pool(pool)


async def _look(client: "Valkey", url: str) -> None:
    from valkey.exceptions import ValkeyError

    try:
        about: dict[str, Any] = await client.info()
    except (ValkeyError, OSError) as error:
        raise _why(error, _address(url)) from None
    _refuse_unfit(about)


def _refuse_unfit(about: dict[str, Any]) -> None:
    version = tuple(int(part) for part in str(about["redis_version"]).split(".")[:2])
    if version < VERSION_MIN:
        raise _misconfigured(
            f"leads to a server of version {about['redis_version']}; "
            f"{VERSION_MIN[0]}.{VERSION_MIN[1]} or newer is needed"
        )
    if about.get("cluster_enabled"):
        raise _misconfigured("leads to a cluster; name a server that is not part of one")
    if about.get("role") != "master":
        raise _misconfigured("leads to a replica, which cannot be written to; name its primary")


def _why(error: Exception, address: str) -> AIGestionError:
    from valkey import exceptions

    cause = error.__cause__ or error.__context__
    match error:
        case exceptions.AuthenticationError() | exceptions.NoPermissionError():
            return _misconfigured(f"is refused by {address}: {error}")
        case exceptions.ConnectionError() if isinstance(cause, ssl.SSLError):
            reason = cause.reason or "no TLS"
            return _misconfigured(f"cannot be reached over TLS at {address}: {reason}")
        case exceptions.ConnectionError() | exceptions.TimeoutError() | OSError():
            hint = f"Does {SETTING} name it rightly, with valkeys:// if and only if it speaks TLS?"
            return Unavailable(
                f"Valkey does not answer at {address} ({error}). {hint}", engine=ENGINE
            )
        case exceptions.ResponseError():
            return _misconfigured(f"is refused by {address}: {error}")
        case _:
            return _misconfigured(f"leads to something that is no Valkey at {address}")


def _misconfigured(what: str) -> Misconfigured:
    return Misconfigured(f"{SETTING} {what}.")


def _address(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379}"
