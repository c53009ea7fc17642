"""What an earlier run left behind is ended, and nobody else."""

import asyncio
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aigestion.embedded import pid_file
from aigestion.embedded.pid_file import end_leftover, holders, is_locked, lock, recorded_pid
from aigestion.kernel.errors import Misconfigured
from tests.support.processes import is_alive
from tests.support.tasks import eventually

POLITELY = ((signal.SIGTERM, 0.3),)
SLEEP = ["/bin/sleep", "60"]
STUBBORN = ["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"]


@pytest.fixture
def foreigner() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with us; the kernel knows its command line a moment later."""
    process = subprocess.Popen(SLEEP)
    while SLEEP[0] not in pid_file._command_line(process.pid):
        time.sleep(0.001)
    yield process
    process.kill()
    process.wait()


def holding(path: Path, command: list[str], recorded: int | None = None) -> subprocess.Popen[bytes]:
    """A process that inherits the lock, as an engine does; the file names it, or `recorded`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    process = subprocess.Popen(command, pass_fds=(descriptor,), stdout=subprocess.PIPE)
    os.close(descriptor)
    path.write_text(str(recorded or process.pid))
    return process


def ended(process: subprocess.Popen[bytes]) -> int:
    code = process.wait(5)
    assert process.stdout is not None
    process.stdout.close()
    return code


async def test_a_leftover_is_asked_to_end(tmp_path: Path) -> None:
    leftover = holding(tmp_path / "pid", SLEEP)
    assert is_locked(tmp_path / "pid")

    await end_leftover(tmp_path / "pid", "/bin/sleep", POLITELY)

    assert ended(leftover) == -signal.SIGTERM
    assert not is_locked(tmp_path / "pid")


async def test_a_leftover_that_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    leftover = holding(tmp_path / "pid", STUBBORN)
    assert leftover.stdout is not None
    assert leftover.stdout.readline() == b"deaf\n"

    await end_leftover(tmp_path / "pid", "/bin/sh", POLITELY)

    assert ended(leftover) == -signal.SIGKILL
    assert not is_locked(tmp_path / "pid")


async def test_children_that_outlive_their_leader_are_waited_for_and_ended(tmp_path: Path) -> None:
    # As backends of a killed postmaster may, in the middle of a query.
    leader = holding(tmp_path / "pid", ["/bin/sh", "-c", "sleep 60 & echo $!; wait"])
    assert leader.stdout is not None
    child = int(leader.stdout.readline())
    leader.kill()
    ended(leader)
    assert is_locked(tmp_path / "pid")

    await end_leftover(tmp_path / "pid", "/bin/sh", POLITELY)

    assert not is_locked(tmp_path / "pid")
    await eventually(lambda: not is_alive(child))


async def test_a_pid_that_belongs_to_somebody_else_by_now_is_left_alone(
    tmp_path: Path, foreigner: subprocess.Popen[bytes]
) -> None:
    leftover = holding(tmp_path / "pid", SLEEP, recorded=foreigner.pid)

    await end_leftover(tmp_path / "pid", "/bin/sleep", POLITELY)

    assert ended(leftover) == -signal.SIGKILL
    assert foreigner.poll() is None


async def test_a_file_nobody_holds_ends_nobody(
    tmp_path: Path, foreigner: subprocess.Popen[bytes]
) -> None:
    (tmp_path / "pid").write_text(str(foreigner.pid))

    await end_leftover(tmp_path / "pid", "/bin/sleep", POLITELY)
    await end_leftover(tmp_path / "never", "/bin/sleep", POLITELY)

    assert foreigner.poll() is None


async def test_a_process_that_only_reads_the_file_does_not_hold_it(tmp_path: Path) -> None:
    leftover = holding(tmp_path / "pid", SLEEP)
    reader = await asyncio.create_subprocess_shell(f"exec sleep 60 < {tmp_path / 'pid'}")

    found = holders(tmp_path / "pid", "/bin/sleep")
    reader.kill()
    await reader.wait()
    leftover.kill()
    ended(leftover)

    assert found == [leftover.pid]


async def test_where_the_kernel_does_not_tell_the_recorded_pid_must_run_the_program(
    tmp_path: Path, foreigner: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pid_file, "_lock_holders", lambda _: [])
    (tmp_path / "pid").write_text(str(foreigner.pid))

    assert holders(tmp_path / "pid", "/bin/sleep") == [foreigner.pid]
    assert holders(tmp_path / "pid", "/usr/bin/postgres") == []
    monkeypatch.setattr(pid_file.sys, "platform", "darwin")
    assert holders(tmp_path / "pid", "/bin/sleep") == [foreigner.pid]
    assert holders(tmp_path / "pid", "/usr/bin/postgres") == []


async def test_a_leftover_that_cannot_be_ended_is_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pid_file, "KILLED_SECONDS_MAX", 0.05)
    descriptor = lock(tmp_path / "pid")
    assert descriptor is not None

    with pytest.raises(Misconfigured, match=rf"process {os.getpid()}\)"):
        await end_leftover(tmp_path / "pid", "postgres", ((signal.SIGTERM, 0.05),))
    os.close(descriptor)

    assert recorded_pid(tmp_path / "pid") == os.getpid()
