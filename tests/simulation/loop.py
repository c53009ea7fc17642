"""An event loop without a clock and without I/O: time jumps to the next timer, chance decides who runs first."""

import asyncio
import heapq
import random
import zlib
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

STEPS_MAX = 400_000
"""A schedule that takes so many steps spins."""


class Incarnation:
    """One life of a process: from its start to its kill. What it holds in memory dies with it."""

    def __init__(self, name: str, number: int) -> None:
        self.name = f"{name}#{number}"
        self.alive = True
        self.paused = False
        self.stash: list[asyncio.Handle] = []
        """What would have run since the process was stopped, or died."""
        self.steps = 0
        self.dies_at: int | None = None
        """After how many steps chance kills it, wherever it then is."""
        self.on_death: Callable[[], None] = lambda: None
        self.context: Context = copy_context()
        self.context.run(PROCESS.set, self)


PROCESS: ContextVar[Incarnation | None] = ContextVar("process", default=None)
"""Whose code runs; None for servers, clients and whoever breaks things."""


class Stuck(AssertionError):
    """Nothing can run any more, or it never ends."""


class SimulationLoop(asyncio.BaseEventLoop):
    """Runs what is ready in an order of the seed. A process that is dead or stopped does not run at all.

    A killed process is not cancelled: no `finally` of it runs, as after `kill -9`.
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self._now = 0.0
        self.steps = 0
        self.trace = 0
        """Checksum of every step: who ran, and of all that was noted."""
        self.is_over = False
        """At the end everybody runs, so that nothing is left behind."""

    def time(self) -> float:
        return self._now

    def note(self, *what: Any) -> None:
        """Put something that happened into the trace."""
        self.trace = zlib.crc32(repr((self._now, *what)).encode(), self.trace)

    def resume(self, process: Incarnation) -> None:
        """Let a stopped process go on."""
        process.paused = False
        self._ready.extend(process.stash)
        process.stash.clear()

    def run_in_executor(self, *_: Any) -> Any:
        raise AssertionError("a thread has no place in a simulation")

    def _write_to_self(self) -> None:
        """There is no selector to wake."""

    def _process_events(self, _: Any) -> None:
        """There are none."""

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(scheduled)._scheduled = False
        if not ready:
            if not scheduled:
                raise Stuck("nothing can run any more")
            self._now = max(self._now, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        turn = list(ready)
        ready.clear()
        if len(turn) > 1:
            self._chance.shuffle(turn)
        self.steps += len(turn)
        if self.steps > STEPS_MAX:
            raise Stuck(f"no end after {STEPS_MAX} steps")
        for handle in turn:
            if not handle._cancelled:
                self._step(handle)

    def _step(self, handle: asyncio.Handle) -> None:
        process = handle._context.get(PROCESS)
        if process is not None and not self.is_over:
            if not process.alive or process.paused:
                process.stash.append(handle)
                return
            process.steps += 1
            if process.steps == process.dies_at:
                process.on_death()
                process.stash.append(handle)
                return
            self.trace = zlib.crc32(process.name.encode(), self.trace)
        handle._run()
