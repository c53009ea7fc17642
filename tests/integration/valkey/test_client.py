"""Opening a Valkey server: what is refused at the start, and with which words."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from aigestion.kernel.errors import Misconfigured, Unavailable
from aigestion.ratelimit.port import Window
from aigestion.ratelimit.valkey import ValkeyRateLimiter
from aigestion.valkey.client import opened_valkey
from tests.support.engines import free_port
from tests.support.tasks import patience
from tests.support.valkey import StoppableValkey, valkey_server

PASSWORD = "hunter2-hunter2"


async def refused(url: str) -> str:
    with pytest.raises(Misconfigured) as error:
        async with opened_valkey(url):
            pass
    assert "AIGESTION_VALKEY_URL" in error.value.message
    assert PASSWORD not in error.value.message
    return error.value.message


async def test_a_server_is_opened_by_either_name_of_its_protocol(valkey_url: str) -> None:
    for url in (valkey_url, valkey_url.replace("valkey://", "redis://"), f"{valkey_url}/1"):
        async with opened_valkey(url) as client:
            assert await client.ping()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "must begin with valkey://"),
        ("127.0.0.1:6379", "must begin with"),
        ("http://127.0.0.1:6379", "must begin with"),
        ("valkey://127.0.0.1:port", "is not a URL"),
        ("valkey://127.0.0.1:99999", "is not a URL"),
        ("valkey://127.0.0.1:6379?colour=red", "is not a URL"),
    ],
)
async def test_a_url_that_is_none_is_refused(url: str, words: str) -> None:
    assert words in await refused(url)


async def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable) as error:
        async with opened_valkey(f"valkey://:{PASSWORD}@127.0.0.1:{free_port()}"):
            pass

    assert error.value.details["engine"] == "valkey"
    assert PASSWORD not in error.value.message


async def test_a_missing_and_a_wrong_password_are_refused(own_valkey: StoppableValkey) -> None:
    address = own_valkey.url.removeprefix("valkey://")
    async with opened_valkey(own_valkey.url) as client:
        await client.config_set("requirepass", PASSWORD)

    missing = await refused(own_valkey.url)
    wrong = await refused(f"valkey://:wrong{PASSWORD}@{address}")
    async with opened_valkey(f"valkey://:{PASSWORD}@{address}") as client:
        assert await client.ping()

    assert f"is refused by {address}" in missing
    assert f"is refused by {address}" in wrong


async def test_a_password_where_none_is_wanted_is_told(valkey_url: str) -> None:
    address = valkey_url.removeprefix("valkey://")

    assert "is refused by" in await refused(f"valkey://:{PASSWORD}@{address}")


async def test_a_database_that_is_not_there_is_told(valkey_url: str) -> None:
    assert "is refused by" in await refused(f"{valkey_url}/9999")


async def test_a_replica_is_no_place_to_write_to(valkey_url: str, tmp_path: Path) -> None:
    primary = valkey_url.rpartition(":")[2]
    with valkey_server(tmp_path, replicaof=f"127.0.0.1 {primary}") as server:
        assert "leads to a replica" in await refused(server.url)


async def test_a_member_of_a_cluster_is_refused(tmp_path: Path) -> None:
    config = {"cluster-enabled": "yes"}
    with valkey_server(tmp_path, **config) as server:
        assert "leads to a cluster" in await refused(server.url)


async def test_something_else_on_that_port_is_told() -> None:
    async with _saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert "no Valkey" in await refused(f"valkey://127.0.0.1:{port}")


async def test_an_older_server_is_refused() -> None:
    about = b"redis_version:6.2.14\r\nredis_mode:standalone\r\nrole:master\r\n"
    async with _saying(b"+OK\r\n$%d\r\n%s\r\n" % (len(about), about)) as port:
        message = await refused(f"redis://127.0.0.1:{port}")

    assert "6.2.14" in message
    assert "7.0 or newer" in message


async def test_tls_is_checked_against_the_ca_that_is_named(valkey_url: str, tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    async with _tls(valkey_url, certificate, key) as port:
        url = f"valkeys://127.0.0.1:{port}"
        async with opened_valkey(f"{url}?ssl_ca_certs={certificate}") as client:
            assert await client.ping()

        assert "over TLS" in await refused(url)
        other = f"valkeys://localhost:{port}?ssl_ca_certs={certificate}"
        assert "over TLS" in await refused(other)  # the certificate is of 127.0.0.1
        with pytest.raises(Unavailable, match="valkeys:// if and only if it speaks TLS"):
            async with opened_valkey(f"valkey://127.0.0.1:{port}"):
                pass


async def test_tls_towards_a_server_without_it_is_told() -> None:
    async with _saying(b"-ERR unknown command\r\n") as port:
        assert "over TLS" in await refused(f"valkeys://127.0.0.1:{port}")


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    assert ssl.create_default_context(cafile=str(certificate))
    return certificate, key


@asynccontextmanager
async def _tls(url: str, certificate: Path, key: Path) -> AsyncIterator[int]:
    """TLS before a server that has none: this build of it cannot."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    host, _, behind = url.removeprefix("valkey://").partition(":")

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(host, int(behind))
        await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(4096):
            sink.write(chunk)
        sink.close()


@asynccontextmanager
async def _saying(answer: bytes) -> AsyncIterator[int]:
    """A server that answers the same to everything."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(answer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_no_connection_is_left_open(own_valkey: StoppableValkey) -> None:
    async with opened_valkey(own_valkey.url) as watching:
        async with opened_valkey(own_valkey.url) as client:
            await asyncio.gather(*(client.ping() for _ in range(5)))
            limiter = ValkeyRateLimiter(client, namespace="test")
            await limiter.decide("demo", [Window("key", 5, 60.0)])
            during = len(await watching.client_list())

        async with patience():
            while len(await watching.client_list()) > 1:
                await asyncio.sleep(0.01)

    assert during > 1
