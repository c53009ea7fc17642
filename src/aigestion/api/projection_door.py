"""What can be seen and done with projections through the API; bootstrap brings the doing."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import msgspec

from aigestion.kernel.context import Request
from aigestion.projections.progress import Line
from aigestion.projections.rebuild import Rebuilt, RolledBack
from aigestion.projections.redrive import Redriven
from aigestion.projections.stages import OnProgress, Stage
from aigestion.projections.verify import Verdict
from aigestion.readstores.parked import ParkedKey

STEP_SECONDS = 0.2
"""How often a caller hears how far it is, at most."""

Work: TypeAlias = Callable[[str, OnProgress], Awaitable[Rebuilt | RolledBack | Verdict | Redriven]]
"""Does it to the projection of this name; `NotFound` for an unknown one."""


class Redrive(Protocol):
    """Applies what is parked of a key, or all that is; `NotFound` for an unknown one."""

    def __call__(
        self, name: str, on_progress: OnProgress, /, *, key: str | None
    ) -> Awaitable[Redriven]: ...


class FinishedWork(Protocol):
    """Results of work that came with an `Idempotency-Key`, for some days, whichever process is asked."""

    async def find(self, request: Request, /) -> bytes | None:
        """The line this request ended with. `IdempotencyKeyReused` if its key came with another one."""
        ...

    async def keep(self, request: Request, line: bytes, /) -> None:
        """Another process may have been faster: the first line stays."""
        ...


@dataclass(frozen=True, kw_only=True)
class ProjectionDoor:
    """The read models of this process."""

    status: Callable[[], list[Line]]
    head: Callable[[], Awaitable[int]]
    """The log's last position."""
    rebuild: Work
    roll_back: Work
    verify: Work
    parked: Callable[[str], Awaitable[list[ParkedKey]]]
    """What of this projection is in quarantine; `NotFound` for an unknown one."""
    redrive: Redrive


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of progress; the last one has `done`."""

    position: int
    head: int
    stage: Stage | None = None
    done: bool = False
    result: dict[str, Any] | None = None
    """Of a rebuild the new view, of a roll-back the former one, of a verification the verdict, of a
    redrive what is left."""


async def steps(work: Work, projection: str) -> AsyncGenerator[Step, None]:
    """Do it, and tell how far it is. Raises what the work raises; closed early, it stops the work."""
    position = head = 0
    stage: Stage | None = None

    def on_progress(reached: int, of: int, at: Stage) -> None:
        nonlocal position, head, stage
        position, head, stage = reached, of, at

    task = asyncio.ensure_future(work(projection, on_progress))
    try:
        while not (await asyncio.wait({task}, timeout=STEP_SECONDS))[0]:
            yield Step(position=position, head=head, stage=stage)
        done = await task
        result = msgspec.to_builtins(done)
        yield Step(position=done.position, head=max(head, done.position), done=True, result=result)
    finally:
        task.cancel()
        await asyncio.wait({task})
