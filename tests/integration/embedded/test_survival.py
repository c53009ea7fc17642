"""A program and its engines on one data dir: killed, run twice, run by root and by others, on bad disks."""

import json
import os
import pwd
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import nats
import pytest

from tests.support.disks import disk, fill, make_read_only
from tests.support.processes import family_of, is_alive, kill_9, status_of
from tests.support.tasks import WAIT_SECONDS_MAX, eventually

ROOT = Path(__file__).parents[3]
PLAIN_UID = pwd.getpwnam("daemon").pw_uid
"""Some user without rights whose name is known: initdb asks for it."""

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, or become others")


class Running:
    """The program of `tests.support.run_engines`, and what it told."""

    def __init__(self, data_dir: Path, *, uid: int | None = None) -> None:
        self._process = subprocess.Popen(
            [_python(uid), "-m", "tests.support.run_engines", str(data_dir)],
            cwd="/",
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}:{sysconfig.get_path('purelib')}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **({} if uid is None else {"user": uid, "group": uid, "extra_groups": []}),
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.told: dict[str, Any] = json.loads(line) if line else {}
        self.refusal = "" if line else self._end()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def engines(self) -> list[int]:
        assert self.told, self.refusal
        pids: list[int] = self.told["pids"]
        return pids

    async def ask(self, statement: str) -> Any:
        connection = await asyncpg.connect(self.told["postgres"])
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        assert self._end() == ""
        assert self._process.returncode == 0

    def kill_9(self) -> None:
        self._process.kill()
        self._end()

    def _end(self) -> str:
        _, said = self._process.communicate(timeout=WAIT_SECONDS_MAX)
        return said.strip()


@pytest.fixture
def plain_home() -> Iterator[Path]:
    """A plain user's home. Not below pytest's folder, which is closed to others than us."""
    with tempfile.TemporaryDirectory(prefix="aig-home-") as folder:
        os.chown(folder, PLAIN_UID, PLAIN_UID)
        yield Path(folder)


async def test_killed_in_full_flight_the_next_start_goes_on(home: Path) -> None:
    first = Running(home / "data")
    await first.ask("CREATE TABLE kept AS SELECT 42 AS n")
    broker = await nats.connect(first.told["nats"])
    await broker.jetstream().add_stream(name="EVENTS", subjects=["events.>"])
    await broker.jetstream().publish("events.demo.user.chat", b"{}")
    await broker.close()

    first.kill_9()
    await eventually(
        lambda: not any(is_alive(pid) for pid in first.engines)
    )  # the kernel ends them
    second = Running(home / "data")
    kept = await second.ask("SELECT n FROM kept")
    broker = await nats.connect(second.told["nats"])
    info = await broker.jetstream().stream_info("EVENTS")
    await broker.close()
    second.stop()

    assert kept == 42
    assert info.state.last_seq == 1
    assert second.told["postgres"] == first.told["postgres"]


async def test_killed_with_all_its_engines_at_once_the_next_start_goes_on(home: Path) -> None:
    first = Running(home / "data")
    await first.ask("CREATE TABLE kept AS SELECT 42 AS n")

    for pid in reversed(family_of(first.pid)):
        kill_9(pid)
    first.kill_9()
    second = Running(home / "data")

    assert await second.ask("SELECT n FROM kept") == 42
    second.stop()


async def test_engines_left_behind_that_do_not_end_are_ended_by_the_next_start(home: Path) -> None:
    first = Running(home / "data")
    await first.ask("CREATE TABLE kept AS SELECT 42 AS n")
    for pid in first.engines:
        os.kill(pid, signal.SIGSTOP)  # what the kernel sends them does not arrive now

    first.kill_9()
    assert all(is_alive(pid) for pid in first.engines)
    second = Running(home / "data")

    assert await second.ask("SELECT n FROM kept") == 42
    assert not any(is_alive(pid) for pid in first.engines)
    second.stop()


async def test_a_second_start_is_refused_and_the_first_goes_on(home: Path) -> None:
    first = Running(home / "data")

    second = Running(home / "data")

    assert second.refusal.splitlines() == [
        f"The data dir {home / 'data'} is in use by process {first.pid}: "
        "stop that one, or choose another with --data-dir."
    ]
    assert await first.ask("SELECT 1") == 1
    first.stop()


@only_root
async def test_a_plain_user_runs_it_and_root_goes_on_with_that_users_engines(
    plain_home: Path,
) -> None:
    plain = Running(plain_home / "data", uid=PLAIN_UID)
    await plain.ask("CREATE TABLE kept AS SELECT 42 AS n")
    owners = {status_of(pid)["Uid"].split()[0] for pid in plain.engines}
    plain.stop()

    root = Running(plain_home / "data")
    kept = await root.ask("SELECT n FROM kept")
    owners |= {status_of(pid)["Uid"].split()[0] for pid in root.engines}
    root.stop()

    assert kept == 42
    assert owners == {str(PLAIN_UID)}


@only_root
def test_a_folder_a_plain_user_may_not_write_is_one_clear_line(plain_home: Path) -> None:
    plain_home.chmod(0o500)

    refused = Running(plain_home / "data", uid=PLAIN_UID)
    plain_home.chmod(0o700)
    accepted = Running(plain_home / "data", uid=PLAIN_UID)
    accepted.stop()

    assert "cannot be used (Permission denied)" in refused.refusal
    assert len(refused.refusal.splitlines()) == 1


@only_root
def test_a_data_dir_of_roots_is_refused_to_others_in_one_clear_line(plain_home: Path) -> None:
    Running(plain_home / "data").stop()

    refused = Running(plain_home / "data", uid=PLAIN_UID)

    assert "cannot be used (Permission denied)" in refused.refusal
    assert len(refused.refusal.splitlines()) == 1


@only_root
def test_a_read_only_disk_is_one_clear_line(home: Path) -> None:
    with disk(home, mebibytes=400):
        Running(home / "data").stop()
        before = written(home)
        make_read_only(home)

        refused = Running(home / "data")
        also = Running(home / "other")

        assert written(home) == before
    for program in (refused, also):
        assert "cannot be used (Read-only file system)" in program.refusal
        assert len(program.refusal.splitlines()) == 1


@only_root
@pytest.mark.parametrize("left", [0, 50])
def test_a_full_disk_is_one_clear_line_and_harms_nothing(home: Path, left: int) -> None:
    with disk(home, mebibytes=400):
        Running(home / "data").stop()
        before = written(home / "data")
        fill(home / "filler", mebibytes_left=left)

        refused = Running(home / "data")
        after = written(home / "data")
        (home / "filler").unlink()
        again = Running(home / "data")
        again.stop()

    assert len(refused.refusal.splitlines()) == 1
    assert "200 MiB are needed" in refused.refusal
    assert after == before


def written(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every file, when it was written and how long it is; the lock's is of no importance."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in found}


def _python(uid: int | None) -> str:
    """A Python of our version that this user can reach; ours may be under /root."""
    mine = Path(sys.executable).resolve()
    if uid is None or _open_to_all(mine):
        return sys.executable
    closed = [
        path for path in (ROOT, Path(sysconfig.get_path("purelib"))) if not _open_to_all(path)
    ]
    if closed:
        pytest.skip(f"NOT TESTED: a plain user cannot enter {closed[0]}")
    other = Path(f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
    if not other.exists():
        pytest.skip(f"NOT TESTED: a plain user reaches neither {mine} nor {other}")
    return str(other)


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.resolve().parents))
