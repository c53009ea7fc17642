"""A process of the throw-away system: started again whenever it ends, and asked how it came to that."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from aigestion.prove.forked import Forked, ForkServer
from aigestion.prove.node import Node
from tests.support.tasks import eventually

READY = "relay is ready: http://127.0.0.1:1/health/ready\n"
FAILED = "error: A part of the system has failed for good\n"


class Script(ForkServer):
    """Has processes say something and end with a code, one after the other; the last one goes on."""

    def __init__(self, *lives: tuple[str, int]) -> None:
        self.lives = list(lives)
        self.started = 0

    async def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        folder: Path,
        out: Path,
        err: Path,
        clock: Path | None = None,
    ) -> Forked:
        self.started += 1
        forked = Forked(pid=2**22 + self.started)
        if self.lives:
            said, code = self.lives.pop(0)
            with out.open("a") as log:
                log.write(said)
            forked.ended.set_result(code)
        return forked


async def ends_of(folder: Path, *lives: tuple[str, int]) -> list[str]:
    script = Script(*lives)
    node = Node("relay-1", ("relay",), 1, folder, {}, script)
    node.start()
    await eventually(lambda: script.started == len(lives) + 1)
    keeping = node._keeping
    assert keeping is not None
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    return node.ended_by_itself


async def test_one_that_worked_and_ended_is_told_with_what_it_said_last(tmp_path: Path) -> None:
    [told] = await ends_of(tmp_path, (f"{READY}Traceback\nOops: no\n{FAILED}", 1))

    assert told == f"relay-1 ended by itself (1): Oops: no / {FAILED.strip()}"


@pytest.mark.parametrize(
    ("said", "code"),
    [(READY, -signal.SIGKILL), ("error: PostgreSQL does not answer\n", 1)],
    ids=["killed", "never began"],
)
async def test_one_that_was_killed_or_never_began_is_not(
    tmp_path: Path, said: str, code: int
) -> None:
    assert await ends_of(tmp_path, (READY, -signal.SIGKILL), (said, code)) == []


async def test_each_life_is_judged_by_what_it_said_itself(tmp_path: Path) -> None:
    lives = (READY, -signal.SIGKILL), ("cannot begin\n", 1), (READY, 0), (READY, -signal.SIGSEGV)

    told = await ends_of(tmp_path, *lives)

    assert [one.split(":")[0] for one in told] == [
        "relay-1 ended by itself (0)",
        "relay-1 ended by itself (-11)",
    ]
