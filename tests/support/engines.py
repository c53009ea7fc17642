"""Real engines for tests: one Postgres and one NATS server a session, a fresh database or stream a test."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.postgres import SETTINGS, EmbeddedPostgres

START_SECONDS_MAX = 120


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def postgres_server(settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    """A running server; yields the superuser's DSN of its `postgres` database (TCP, trust).

    `settings`: beside those it has in `aigestion up`.
    """
    with tempfile.TemporaryDirectory(prefix="aig-pg-") as home, _loop() as run:
        data_dir = DataDir(Path(home) / "data")
        with data_dir.locked():
            postgres = EmbeddedPostgres(
                data_dir, settings={**SETTINGS, **settings}, initdb_options=("--no-sync",)
            )
            run(postgres.start())
            try:
                url = f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres"
                run(_trust_everybody(data_dir.postgres, url))
                yield url
            finally:
                run(postgres.stop())


async def _trust_everybody(folder: Path, url: str) -> None:
    """Tests log in as any role without a password."""
    (folder / "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")
    os.kill(int((folder / "postmaster.pid").read_text().split("\n")[0]), signal.SIGHUP)
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            try:
                await (await asyncpg.connect(url)).close()
                return
            except asyncpg.InvalidPasswordError:
                await asyncio.sleep(0.01)


@contextmanager
def _loop() -> Iterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """A loop in a thread of its own: the engine is supervised while tests run loops of theirs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield lambda what: asyncio.run_coroutine_threadsafe(what, loop).result(START_SECONDS_MAX)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


JETSTREAM = 'jetstream {{ store_dir: "{home}/js", sync_interval: always }}\n'


@contextmanager
def nats_server(configuration: str = JETSTREAM) -> Iterator[str]:
    """A running broker, with JetStream unless told otherwise; yields its URL."""
    home = Path(tempfile.mkdtemp(prefix="aig-nats-"))
    port = free_port()
    config = home / "nats.conf"
    config.write_text(f'listen: "127.0.0.1:{port}"\n{configuration.format(home=home)}')
    server = subprocess.Popen(
        [Path(sys.executable).parent / "nats-server", "-c", config],
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "nats-server did not start"
                time.sleep(0.02)
        yield f"nats://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(home, ignore_errors=True)
