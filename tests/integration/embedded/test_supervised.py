"""A supervised process: started, watched, started again, ended. The engines here are shell scripts."""

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aigestion.embedded import launch, log_file, supervised
from aigestion.embedded.datadir import DataDir
from aigestion.embedded.privileges import EngineUser, engine_user
from aigestion.embedded.process import Command, run
from aigestion.embedded.supervised import State, Supervised
from aigestion.kernel.errors import Unavailable
from tests.support.processes import is_alive, kill_9, status_of
from tests.support.tasks import eventually

SERVING = "touch ready; exec sleep 60"


async def at_once(_: int) -> bool:
    return True


async def never(_: int) -> bool:
    return False


def command(data_dir: DataDir, script: str, user: EngineUser | None = None) -> Command:
    folder = data_dir.path / "engine"
    (user or EngineUser()).give(folder)
    return Command(
        engine="script",
        argv=("/bin/sh", "-c", script),
        folder=folder,
        user=user or EngineUser(),
        pid_file=data_dir.run / "script.pid",
        log=data_dir.logs / "script.log",
        death_signal=signal.SIGTERM,
    )


@asynccontextmanager
async def kept_running(
    data_dir: DataDir,
    script: str = SERVING,
    ready: Callable[[int], Awaitable[bool]] | None = None,
    user: EngineUser | None = None,
    **options: Any,
) -> AsyncIterator[Supervised]:
    what = command(data_dir, script, user)

    async def is_ready(_: int) -> bool:
        return (what.folder / "ready").exists()

    engine = Supervised(
        what,
        **{
            "ready": ready or is_ready,
            "ready_seconds_max": 10.0,
            "stop_signals": ((signal.SIGTERM, 0.3),),
            **options,
        },
    )
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def pid_of(engine: Supervised) -> int:
    pid = engine.status().pid
    assert pid is not None
    return pid


async def test_it_runs_until_it_is_stopped(data_dir: DataDir) -> None:
    async with kept_running(data_dir) as engine:
        pid = pid_of(engine)
        assert (engine.status().state, is_alive(pid)) == (State.READY, True)

    assert (engine.status().state, engine.status().pid) == (State.STOPPED, None)
    assert engine.status().restarts == 0
    assert not is_alive(pid)


async def test_one_that_is_killed_comes_back_and_says_how_it_ended(data_dir: DataDir) -> None:
    async with kept_running(data_dir) as engine:
        first = pid_of(engine)

        kill_9(first)
        await eventually(
            lambda: engine.status().restarts == 1 and engine.status().state == State.READY
        )

        assert pid_of(engine) != first
        last = engine.status().last_exit
        assert last is not None
        assert (last.code, last.last_words) == (-signal.SIGKILL, "it said nothing")


async def test_restarts_are_ever_rarer_but_never_given_up(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "RESTART_PAUSE_SECONDS_MIN", 0.02)
    monkeypatch.setattr(supervised, "RESTART_PAUSE_SECONDS_MAX", 0.1)
    script = (
        "echo here >> starts; [ $(wc -l < starts) -gt 5 ] && exec sleep 60; touch ready; exit 3"
    )
    async with kept_running(data_dir, script, ready=at_once) as engine:
        began = asyncio.get_running_loop().time()
        await eventually(lambda: engine.status().restarts == 5)
        took = asyncio.get_running_loop().time() - began

        last = engine.status().last_exit
        assert last is not None
        assert last.code == 3
        assert took > 0.02 + 0.04 + 0.08 + 0.1 + 0.1


async def test_a_restart_that_fails_is_tried_again(data_dir: DataDir) -> None:
    script = "[ -e broken ] && { echo FATAL: broken; exit 1; }; touch ready; exec sleep 60"
    async with kept_running(data_dir, script) as engine:
        folder = data_dir.path / "engine"
        (folder / "broken").touch()
        (folder / "ready").unlink()
        kill_9(pid_of(engine))
        await eventually(lambda: engine.status().restarts >= 2)
        assert engine.status().state in (State.FAILED, State.STARTING)

        (folder / "broken").unlink()
        await eventually(lambda: engine.status().state == State.READY)

    assert "FATAL: broken" in (data_dir.logs / "script.log").read_text()


async def test_one_that_is_ill_is_started_again(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "CHECK_SECONDS", 0.02)
    ill: set[int] = set()

    async def is_well(pid: int) -> bool:
        return pid not in ill

    async with kept_running(data_dir, well=is_well) as engine:
        first = pid_of(engine)
        await asyncio.sleep(0.2)
        assert pid_of(engine) == first

        ill.add(first)
        await eventually(
            lambda: engine.status().restarts == 1 and engine.status().state == State.READY
        )

        assert pid_of(engine) != first


async def test_one_that_does_not_start_is_named_with_its_last_words(data_dir: DataDir) -> None:
    script = "echo starting; echo FATAL: no such bus; echo bye; exit 7"

    with pytest.raises(Unavailable, match="ended with 7: FATAL: no such bus") as refused:
        async with kept_running(data_dir, script):
            pass

    assert refused.value.details["engine"] == "script"
    assert str(data_dir.logs / "script.log") in refused.value.message


async def test_one_that_never_gets_ready_is_ended(data_dir: DataDir) -> None:
    with pytest.raises(Unavailable, match=r"was not ready after 0\.2 s"):
        async with kept_running(
            data_dir, "echo $$ > pid; exec sleep 60", never, ready_seconds_max=0.2
        ):
            pass

    assert not is_alive(int((data_dir.path / "engine/pid").read_text()))


async def test_a_start_that_is_cancelled_leaves_nothing(data_dir: DataDir) -> None:
    async def start() -> None:
        async with kept_running(data_dir, "echo $$ > pid; exec sleep 60", never):
            pass

    starting = asyncio.create_task(start())
    pid = data_dir.path / "engine/pid"
    await eventually(lambda: pid.exists() and pid.read_text() != "")
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert not is_alive(int(pid.read_text()))


async def test_one_that_does_not_listen_is_killed(data_dir: DataDir) -> None:
    script = "trap '' TERM; touch ready; while :; do sleep 0.05; done"
    async with kept_running(data_dir, script) as engine:
        pid = pid_of(engine)

    assert not is_alive(pid)


async def test_it_can_be_stopped_while_it_waits_for_its_restart(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "RESTART_PAUSE_SECONDS_MIN", 60.0)
    async with kept_running(data_dir) as engine:
        kill_9(pid_of(engine))
        await eventually(lambda: engine.status().state == State.FAILED)

    assert (engine.status().state, engine.status().pid) == (State.STOPPED, None)


async def test_two_starts_on_one_pid_file_do_not_run_side_by_side(data_dir: DataDir) -> None:
    async with kept_running(data_dir):
        with pytest.raises(Unavailable, match="cannot launch"):
            await run(command(data_dir, "exit 0"), seconds_max=10)


async def test_its_log_is_kept_in_bounds(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(log_file, "LOG_BYTES_MAX", 1000)
    script = "touch ready; while :; do echo 0123456789012345678901234567890123456789; done"
    async with kept_running(data_dir, script):
        await eventually(lambda: (data_dir.logs / "script.log.1").exists())

    assert (data_dir.logs / "script.log.1").stat().st_size > 1000


async def test_what_is_in_our_environment_is_not_in_the_engines(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGESTION_OPENAI__API_KEY", "sk-secret")
    monkeypatch.setenv("PGPORT", "1")

    await run(command(data_dir, "env"), seconds_max=10)

    said = (data_dir.logs / "script.log").read_text()
    assert "PATH=" in said
    assert "secret" not in said
    assert "PGPORT" not in said


async def test_a_program_that_is_not_there_is_one_clear_sentence(data_dir: DataDir) -> None:
    missing = Command(
        engine="script",
        argv=("/nothing/here",),
        folder=data_dir.path,
        user=EngineUser(),
        pid_file=data_dir.run / "script.pid",
        log=data_dir.logs / "script.log",
        death_signal=signal.SIGTERM,
    )

    with pytest.raises(Unavailable, match=f"{launch.CANNOT_LAUNCH}: cannot launch /nothing/here"):
        await run(missing, seconds_max=10)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to give up")
async def test_under_root_it_has_no_privileges_and_can_get_none(
    data_dir: DataDir, home: Path
) -> None:
    groups = os.getgroups()
    os.setgroups([0, 4])
    try:
        async with kept_running(data_dir, user=engine_user()) as engine:
            status = status_of(pid_of(engine))
    finally:
        os.setgroups(groups)

    nobody = str(engine_user().uid)
    assert status["Uid"].split() == status["Gid"].split() == [nobody] * 4
    assert status["Groups"] == ""
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert stat.S_IMODE(os.stat(home).st_mode) == 0o700
