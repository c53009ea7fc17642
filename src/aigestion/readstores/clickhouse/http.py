"""A ClickHouse server, reached by its HTTP interface."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

from aigestion.kernel.cancellation import finished
from aigestion.kernel.errors import Misconfigured, Unavailable
from aigestion.readstores.clickhouse.engine import (
    FORMAT,
    INSERTED,
    SETTINGS,
    STREAMED,
    UNHURRIED,
    NoSuchTable,
    Rows,
    insertion,
)
from aigestion.readstores.clickhouse.faults import answering, taking

if TYPE_CHECKING:
    from clickhouse_connect.driver.asyncclient import AsyncClient

VERSION_MIN = (24, 8)
CONNECTIONS_MAX = 20
QUERIES_MAX = 16
"""Fewer than connections: long queries never keep an insert waiting."""
STREAMS_MAX = 2
"""Each occupies a thread for as long as its reader takes."""
CONNECT_SECONDS_MAX = 5.0
SILENCE_SECONDS_MAX = 20.0
IDLE_SECONDS_MAX = 5.0
"""A connection is not used again after that: servers close idle ones after 10 and more."""

REPLICATED: Mapping[str, Any] = {
    # What is acknowledged is on most replicas, and whichever is asked knows it: else a view could
    # answer from before its checkpoint.
    "insert_quorum": "auto",
    "insert_quorum_parallel": 0,
    "select_sequential_consistency": 1,
    "distributed_ddl_task_timeout": 15,
}

_CLUSTER = """
SELECT uniqExact(shard_num), (SELECT count() FROM system.macros WHERE macro IN ('shard', 'replica'))
FROM system.clusters WHERE cluster = {cluster:String}
"""


class ClickHouseServer:
    """A pool of connections. A server that went away and came back is used again, without ado."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client
        self._querying = asyncio.Semaphore(QUERIES_MAX)
        self._streaming = asyncio.Semaphore(STREAMS_MAX)

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, url: str, *, cluster: str | None = None, ca_file: Path | None = None
    ) -> AsyncIterator[Self]:
        """Connect, and see whether the server will do.

        `Misconfigured` says what to do about a bad URL, credentials, certificate, version or cluster;
        `Unavailable` if nobody answers.
        """
        client = await _connected(_address(url), cluster is not None, ca_file)
        try:
            engine = cls(client)
            _check_version(str(client.server_version))
            if cluster is not None:
                await engine._check_cluster(cluster)
            yield engine
        finally:
            await client.close()

    async def run(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        with _answering():
            await finished(
                self._client.command(statement, dict(parameters or {}), settings=dict(UNHURRIED))
            )

    async def insert(
        self, database: str, table: str, types: Mapping[str, str], lines: bytes
    ) -> None:
        statement = f"{insertion(database, table, types, 'input({})')} FORMAT {FORMAT}"
        with _answering(), taking(database, table):
            await finished(self._client.command(statement, data=lines, settings=dict(INSERTED)))

    async def query(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Rows:
        async with self._querying:
            with _answering():
                return (await self._client.query(statement, dict(parameters or {}))).result_rows

    async def blocks(self, statement: str) -> AsyncGenerator[Rows, None]:
        async with self._streaming, self._querying:
            with _answering():
                stream = await self._client.query_row_block_stream(
                    statement, settings=dict(STREAMED)
                )
                async with stream:
                    async for block in stream:
                        yield block

    async def _check_cluster(self, cluster: str) -> None:
        ((shards, macros),) = await self.query(_CLUSTER, {"cluster": cluster})
        if shards != 1:
            raise Misconfigured(
                f"ClickHouse knows {shards} shards of a cluster {cluster}: name one of exactly one "
                "shard, with as many replicas as you like."
            )
        if macros < 2:
            raise Misconfigured(
                "ClickHouse needs the macros `shard` and `replica` in its configuration to replicate tables."
            )


class _Address:
    """Where a server is, and who asks."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError(url)
        self.scheme = parts.scheme
        self.host = parts.hostname
        self.port = parts.port or (8443 if parts.scheme == "https" else 8123)
        self.user = unquote(parts.username or "default")
        self.password = unquote(parts.password or "")
        self.database = unquote(parts.path.strip("/")) or None

    def __str__(self) -> str:
        """Without the password."""
        return f"{self.scheme}://{self.host}:{self.port}"


def _address(url: str) -> _Address:
    try:
        return _Address(url)
    except ValueError:
        raise Misconfigured(
            "AIGESTION_CLICKHOUSE_URL must look like https://user:password@host:8443/database; "
            "password and database may be left out."
        ) from None


async def _connected(address: _Address, is_replicated: bool, ca_file: Path | None) -> "AsyncClient":
    from clickhouse_connect.driver import create_async_client

    with _connecting(address):
        return await create_async_client(
            interface=address.scheme,
            host=address.host,
            port=address.port,
            username=address.user,
            password=address.password,
            database=address.database,
            settings={**SETTINGS, **(REPLICATED if is_replicated else {})},
            tz_mode="aware",
            ca_cert=None if ca_file is None else str(ca_file),
            connect_timeout=CONNECT_SECONDS_MAX,
            send_receive_timeout=SILENCE_SECONDS_MAX,
            connector_limit=CONNECTIONS_MAX,
            connector_limit_per_host=CONNECTIONS_MAX,
            keepalive_timeout=IDLE_SECONDS_MAX,
            client_name="aigestion",
        )


def _check_version(version: str) -> None:
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < VERSION_MIN:
        least = ".".join(map(str, VERSION_MIN))
        raise Misconfigured(f"ClickHouse {version} is too old: {least} or later is needed.")


@contextmanager
def _connecting(address: _Address) -> Iterator[None]:
    import aiohttp
    from clickhouse_connect.driver.exceptions import Error

    try:
        with _answering():
            yield
    except NoSuchTable:
        raise Misconfigured(
            f"ClickHouse at {address} has no database {address.database}: make it, or leave it out "
            "of AIGESTION_CLICKHOUSE_URL."
        ) from None
    except Unavailable as error:
        why = error.__cause__
        reason = why.__cause__ if isinstance(why, Error) else why
        if isinstance(reason, aiohttp.ClientSSLError):
            raise Misconfigured(f"The certificate of {address} is not trusted: {reason}") from error
        if reason is None and isinstance(why, Error) and why.code is None:
            raise Misconfigured(
                f"What answers at {address} is not the HTTP interface of a ClickHouse: {why}"
            ) from error
        raise Unavailable(
            f"ClickHouse does not answer at {address}: is it running, and is this its HTTP port? "
            f"({reason or why})",
            engine="clickhouse",
        ) from error


def _answering() -> AbstractContextManager[None]:
    import aiohttp

    return answering(aiohttp.ClientError)
