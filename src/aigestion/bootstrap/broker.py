"""Connections to the broker that come back after every outage, and what it must be able to do."""

import logging
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client

from aigestion.kernel.errors import Misconfigured, Unavailable

CONNECT_TIMEOUT_SECONDS = 5.0
RECONNECT_SECONDS = 0.2
PING_SECONDS = 3.0
"""The client asks as often whether the broker is there; two answers may be missing."""
VERSION_MIN = (2, 12)
"""The first with atomic batches."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def connected_nats(
    url: str, part: str, *, password: str | None = None, ca_file: Path | None = None
) -> AsyncIterator[Client]:
    """A connection inside the block; its client never gives up.

    `part` names the connection; with a `password` it is the user too, else the URL brings both. The
    broker is waited for if it is away; `Misconfigured` says what to do if it never will do.
    """
    client = await _connect(url, part, password, ca_file)
    try:
        yield client
    finally:
        await client.close()


async def _connect(url: str, part: str, password: str | None, ca_file: Path | None) -> Client:
    user = {} if password is None else {"user": part, "password": password}
    where = _without_password(url)
    try:
        tls = tls_context(url, ca_file)
        options: dict[str, Any] = {
            "name": f"aigestion {part}",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "error_cb": _report,
            "ping_interval": PING_SECONDS,
            **({"tls": tls} if tls else {}),
            **user,
        }
        # A client that never gives up does not say either why it cannot get in: ask once with one that does.
        once = {"allow_reconnect": False, "max_reconnect_attempts": 1, "reconnect_time_wait": 0}
        await (await nats.connect(url, **once, **options)).close()
        return await nats.connect(
            url, max_reconnect_attempts=-1, reconnect_time_wait=RECONNECT_SECONDS, **options
        )
    except ssl.SSLError as error:
        raise Misconfigured(
            f"NATS at {where} and this program do not agree on TLS ({error.reason or error}): check "
            "AIGESTION_NATS__CA_FILE and whether the URL should begin with tls:// or nats://."
        ) from error
    except (nats.errors.Error, OSError, TimeoutError, ValueError) as error:
        raise _refusal(where, error) from error


def _refusal(where: str, error: Exception) -> Misconfigured | Unavailable:
    said = str(error) or type(error).__name__
    if "authorization" in said.lower():
        return Misconfigured(
            f"NATS at {where} does not know this user and password: check AIGESTION_NATS_URL."
        )
    return Unavailable(
        f"NATS at {where} does not answer ({said}): start it, or correct AIGESTION_NATS_URL.",
        engine="nats",
    )


def tls_context(url: str, ca_file: Path | None) -> ssl.SSLContext | None:
    """Whom to trust, if the URL asks for TLS; `Misconfigured` if the file cannot be read."""
    if urlsplit(url).scheme != "tls":
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise Misconfigured(
            f"AIGESTION_NATS__CA_FILE: {ca_file} cannot be read as PEM certificates ({error})."
        ) from error


async def check_nats(client: Client) -> None:
    """Raises `Misconfigured` if the server cannot keep a log's mirror: too old, or without JetStream."""
    version = client.connected_server_version
    if (version.major, version.minor) < VERSION_MIN:
        raise Misconfigured(
            f"NATS {version.major}.{version.minor} is too old: the relay needs "
            f"{'.'.join(map(str, VERSION_MIN))} or newer."
        )
    try:
        await client.jetstream(timeout=CONNECT_TIMEOUT_SECONDS).account_info()
    except (nats.js.errors.ServiceUnavailableError, nats.errors.NoRespondersError) as error:
        raise _no_jetstream() from error
    except nats.js.errors.APIError as error:
        raise _no_jetstream() from error
    except (nats.errors.Error, TimeoutError) as error:
        raise Unavailable(f"NATS does not answer: {error!r}", engine="nats") from error


def _no_jetstream() -> Misconfigured:
    return Misconfigured(
        "NATS has no JetStream for this account: start nats-server with a `jetstream` block, and "
        "give the account `jetstream: enabled`."
    )


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)


async def _report(error: Exception) -> None:
    """The client would log a traceback for every attempt."""
    _log.debug("broker: %s", error)
