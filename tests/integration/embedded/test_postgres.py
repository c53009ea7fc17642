"""The embedded PostgreSQL: made once, durable, private, and back after any kill."""

import asyncio
import os
import signal
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from aigestion.embedded import privileges
from aigestion.embedded.datadir import DataDir
from aigestion.embedded.postgres import RUNTIME_ROLE, EmbeddedPostgres
from aigestion.embedded.supervised import State
from aigestion.kernel.errors import Unavailable
from tests.support.disks import disk, fill
from tests.support.embedded_postgres import is_back, pid_of, running
from tests.support.processes import family_of, is_alive, kill_9, status_of
from tests.support.tasks import eventually, patience

STOP_SECONDS_MAX = 4


async def ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url, timeout=30)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_it_is_durable_checksummed_and_on_the_loopback_only(data_dir: DataDir) -> None:
    expected = {
        "data_checksums": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
    }
    async with running(data_dir) as postgres:
        found = {name: await ask(postgres.owner_url, f"SHOW {name}") for name in expected}
        locale = await ask(
            postgres.owner_url,
            "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = current_database()",
        )

    assert found == expected
    assert locale == "bC.UTF-8"


async def test_a_full_disk_is_named_and_survived(home: Path) -> None:
    with disk(home, mebibytes=400):
        data_dir = DataDir(home / "data")
        with data_dir.locked():
            async with running(data_dir) as postgres:
                await ask(postgres.owner_url, "CREATE TABLE kept AS SELECT 7 AS n")
                fill(home / "filler", mebibytes_left=0)
                await _write_until_it_ends(postgres)

                (home / "filler").unlink()
                await eventually(lambda: _is_ready(postgres))
                assert await ask(postgres.owner_url, "SELECT n FROM kept") == 7
                await ask(postgres.owner_url, "UPDATE kept SET n = 8")


async def _write_until_it_ends(postgres: EmbeddedPostgres) -> None:
    """The journal's spare files are used up one by one, and the server ends itself saying why.

    Where a write fails outside of a critical section its session alone is told, and the server goes on.
    """
    async with patience():
        while "No space left on device" not in _last_words_of(postgres):
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await ask(
                    postgres.owner_url,
                    "SELECT pg_logical_emit_message(false, 'x', 'x'), pg_switch_wal()",
                )


def _is_ready(postgres: EmbeddedPostgres) -> bool:
    status = postgres.status()
    return status is not None and status.state == State.READY


def _last_words_of(postgres: EmbeddedPostgres) -> str:
    status = postgres.status()
    return status.last_exit.last_words if status is not None and status.last_exit else ""


async def test_data_port_and_passwords_survive_a_restart(data_dir: DataDir) -> None:
    async with running(data_dir) as postgres:
        url, runtime_url = postgres.owner_url, postgres.runtime_url
        await ask(url, "CREATE TABLE kept AS SELECT 42 AS n")
        pid = pid_of(postgres)
        began = asyncio.get_running_loop().time()
    stopped_in = asyncio.get_running_loop().time() - began

    assert not is_alive(pid)
    assert stopped_in < STOP_SECONDS_MAX
    async with running(data_dir) as postgres:
        assert (postgres.owner_url, postgres.runtime_url) == (url, runtime_url)
        assert await ask(url, "SELECT n FROM kept") == 42


async def test_another_port_is_taken_if_somebody_has_ours(data_dir: DataDir) -> None:
    async with running(data_dir) as postgres:
        first = postgres.port
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", first))
        thief.listen()

        async with running(data_dir) as postgres:
            assert postgres.port != first
            assert await ask(postgres.owner_url, "SELECT 1") == 1


async def test_nobody_gets_in_without_the_password(data_dir: DataDir) -> None:
    async with running(data_dir) as postgres:
        await ask(
            postgres.owner_url,
            f"CREATE ROLE {RUNTIME_ROLE} LOGIN PASSWORD '{postgres.runtime_password}'",
        )
        assert await ask(postgres.runtime_url, "SELECT current_user") == RUNTIME_ROLE

        for role, password in (("postgres", "wrong"), (RUNTIME_ROLE, "wrong"), ("postgres", "")):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await ask(
                    f"postgresql://{role}:{password}@127.0.0.1:{postgres.port}/postgres", "SELECT 1"
                )


async def test_its_log_does_not_repeat_what_people_wrote(data_dir: DataDir) -> None:
    async with running(data_dir) as postgres:
        await ask(postgres.owner_url, "CREATE TABLE said (text text PRIMARY KEY)")
        await ask(postgres.owner_url, "INSERT INTO said VALUES ('xylophonquartz')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await ask(postgres.owner_url, "INSERT INTO said VALUES ('xylophonquartz')")

    log = (data_dir.logs / "postgres.log").read_text()
    assert "duplicate key value" in log
    assert "xylophonquartz" not in log


@pytest.mark.parametrize("victims", ["the postmaster", "everything"])
async def test_killed_it_comes_back_with_everything_that_was_committed(
    data_dir: DataDir, victims: str
) -> None:
    async with running(data_dir) as postgres:
        await ask(postgres.owner_url, "CREATE TABLE kept AS SELECT 42 AS n")
        url, pid = postgres.owner_url, pid_of(postgres)

        for victim in reversed(family_of(pid)) if victims == "everything" else [pid]:
            kill_9(victim)
        await eventually(lambda: is_back(postgres, 1))

        assert await ask(url, "SELECT n FROM kept") == 42
        status = postgres.status()
        assert status is not None
        assert status.last_exit is not None
        assert status.last_exit.code == -signal.SIGKILL


async def test_a_crashed_session_ends_the_server_so_that_one_watch_starts_it_again(
    data_dir: DataDir,
) -> None:
    """A server that recovers on its own may wait forever if that fails, and look well from outside."""
    async with running(data_dir) as postgres:
        connection = await asyncpg.connect(postgres.owner_url)
        kill_9(await connection.fetchval("SELECT pg_backend_pid()"))
        await eventually(lambda: is_back(postgres, 1))

        assert await ask(postgres.owner_url, "SELECT 1") == 1
        connection.terminate()


async def test_a_pid_file_that_names_some_other_process_by_now_does_not_stop_it(
    data_dir: DataDir,
) -> None:
    async with running(data_dir) as postgres:
        await ask(postgres.owner_url, "CREATE TABLE kept AS SELECT 42 AS n")
    pid_file = data_dir.postgres / "postmaster.pid"
    stranger = await asyncio.create_subprocess_exec(
        "/bin/sleep", "60", user=data_dir.postgres.stat().st_uid if os.geteuid() == 0 else None
    )
    pid_file.write_text(f"{stranger.pid}\n{data_dir.postgres}\n0\n5432\n\n127.0.0.1\n0 0\nready\n")
    pid_file.chmod(0o666)

    async with running(data_dir) as postgres:
        assert await ask(postgres.owner_url, "SELECT n FROM kept") == 42
    stranger.kill()
    await stranger.wait()


async def test_an_interrupted_initialisation_leaves_nothing_half_made(data_dir: DataDir) -> None:
    starting = asyncio.create_task(EmbeddedPostgres(data_dir).start())
    half_made = data_dir.path / "postgres.draft/global"
    await eventually(half_made.exists)
    initdb = int((data_dir.run / "postgres.pid").read_text())
    for victim in reversed(family_of(initdb)):
        kill_9(victim)
    with pytest.raises(Unavailable, match="postgres ended with -9"):
        await starting
    assert half_made.exists()
    assert not data_dir.postgres.exists()

    async with running(data_dir) as postgres:
        assert await ask(postgres.owner_url, "SELECT 1") == 1

    assert not (data_dir.path / "postgres.draft").exists()


async def test_a_damaged_cluster_is_named_with_the_servers_own_words(data_dir: DataDir) -> None:
    async with running(data_dir):
        pass
    (data_dir.postgres / "global/pg_control").write_bytes(b"")

    with pytest.raises(Unavailable, match=r"PANIC|FATAL"):
        async with running(data_dir):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to give up")
async def test_under_root_no_process_of_it_is_roots_and_no_folder_is_opened(
    data_dir: DataDir, home: Path
) -> None:
    async with running(data_dir) as postgres:
        family = [status_of(pid) for pid in family_of(pid_of(postgres))]

    assert len(family) > 3
    for status in family:
        assert "0" not in status["Uid"].split() + status["Gid"].split()
        assert int(status["CapEff"], 16) == 0
    assert [mode(home), mode(data_dir.path), mode(data_dir.postgres)] == [0o700] * 3


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to give up")
async def test_binaries_that_only_root_can_reach_are_run_from_a_copy(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="aig-cache-") as cache:
        monkeypatch.setattr(privileges, "CACHE", Path(cache))
        monkeypatch.setattr(privileges, "_open_to_all", lambda _: False)

        async with running(data_dir) as postgres:
            version = await ask(postgres.owner_url, "SHOW server_version")
            await ask(postgres.owner_url, "CREATE EXTENSION pg_trgm")
            program = os.readlink(f"/proc/{pid_of(postgres)}/exe")

    assert program.startswith(cache)
    assert str(version).startswith("18.")
