"""Processes out of the fork server: the program's own, apart from each other, and gone with the server."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from aigestion.kernel.errors import Unavailable
from aigestion.prove.forked import fork_server
from tests.support.tasks import WAIT_SECONDS_MAX, eventually

ENVIRONMENT = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
TWO_FORKS = """
import importlib, os
from aigestion.prove.fork_server import PRELOADED
for name in PRELOADED:
    importlib.import_module(name)
from aigestion.kernel.ids import new_id
for _ in range(2):
    if os.fork() == 0:
        print(new_id().hex[-16:], os.urandom(8).hex(), flush=True)
        os._exit(0)
    os.wait()
"""


async def test_it_runs_the_program_with_what_it_is_given_and_nothing_else(tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    given = {"AIGESTION_NATS_URL": "nats://there:4222", "PATH": os.environ["PATH"]}
    async with fork_server(tmp_path, ENVIRONMENT) as forks:
        good = await forks.start(["settings"], given, folder=tmp_path, out=out, err=err)
        bad = await forks.start(["no-such"], {}, folder=tmp_path, out=out, err=err)

        assert (await good.ended, await bad.ended) == (0, 2)

    assert "nats://there:4222" in out.read_text()
    assert "No such command 'no-such'" in err.read_text()


async def test_a_process_is_killed_alone_and_the_rest_ends_with_the_server(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        waiting = ["events", "--follow", "--url", url, "--key", "of-nobody"]
        async with fork_server(tmp_path, ENVIRONMENT) as forks:
            one, other = [
                await forks.start(waiting, {}, folder=tmp_path, out=log, err=log) for _ in range(2)
            ]
            await eventually(lambda: os.getpgid(one.pid) == one.pid)
            os.kill(one.pid, signal.SIGKILL)

            assert await one.ended == -signal.SIGKILL
            assert not other.ended.done(), log.read_text()

        await eventually(lambda: not Path(f"/proc/{other.pid}").exists())


async def test_a_process_with_many_open_files_may_start_one(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for _ in range(1_100):
            stack.enter_context(open(os.devnull))  # noqa: ASYNC230
        async with fork_server(tmp_path, ENVIRONMENT) as forks:
            done = await forks.start(
                ["--version"], {}, folder=tmp_path, out=tmp_path / "out", err=tmp_path / "err"
            )

            assert await done.ended == 0


async def test_who_asks_a_server_that_is_gone_is_told(tmp_path: Path) -> None:
    async with fork_server(tmp_path, ENVIRONMENT) as forks:
        os.kill(int((tmp_path / "fork-server.pid").read_text()), signal.SIGKILL)

        async def ask_on() -> None:
            while True:
                await forks.start([], {}, folder=tmp_path, out=tmp_path / "o", err=tmp_path / "e")

        with pytest.raises(Unavailable, match="is gone"):
            await asyncio.wait_for(ask_on(), WAIT_SECONDS_MAX)


def test_two_that_are_forked_do_not_draw_the_same_chance() -> None:
    said = subprocess.run(
        [sys.executable, "-c", TWO_FORKS], capture_output=True, text=True, check=True
    )

    first, second = said.stdout.split("\n")[:2]
    assert not set(first.split()) & set(second.split()), said.stdout
