"""The reactions going on in this process: so many at once, each event once, ended in good order."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

REACTIONS_IN_PARALLEL_MAX = 32
"""They wait for models most of their time."""
REACTIONS_WAITING_MAX = 1_000
"""More are left to the broker and the sweep, which bring them again."""
RETRY_SECONDS_MIN = 2.0
"""Pause before a reaction that raised is begun anew; it doubles each time."""
RETRY_SECONDS_MAX = 300.0
DRAIN_SECONDS_MAX = 2.5
"""How long reactions may go on when the program ends; the next start takes up what is cut."""

_log = logging.getLogger(__name__)


class Reactions:
    """Begins reactions and knows them until they end."""

    def __init__(
        self,
        react: Callable[[int], Awaitable[None]],
        *,
        in_parallel_max: int = REACTIONS_IN_PARALLEL_MAX,
    ) -> None:
        self._react = react
        self._room = asyncio.Semaphore(in_parallel_max)
        self._going_on: dict[int, asyncio.Task[bool]] = {}
        self._troubled: dict[int, tuple[int, float]] = {}
        """How often a position's reaction raised in a row, and when it may be begun anew."""
        self._draining = False

    @property
    def going_on(self) -> int:
        """How many there are, those that wait for room included."""
        return len(self._going_on)

    def begin(self, position: int) -> "asyncio.Task[bool] | None":
        """The reaction to the event at this position: the one going on, or a new one.

        Its result says whether it came to its end. None if none may begin now: the program ends, too
        many wait, or it raised a moment ago.
        """
        if task := self._going_on.get(position):
            return task
        _, not_before = self._troubled.get(position, (0, 0.0))
        if (
            self._draining
            or len(self._going_on) >= REACTIONS_WAITING_MAX
            or asyncio.get_running_loop().time() < not_before
        ):
            return None
        task = asyncio.create_task(self._run(position), name=f"reaction to {position}")
        self._going_on[position] = task
        task.add_done_callback(lambda _: self._going_on.pop(position, None))
        return task

    async def drain(self, seconds_max: float = DRAIN_SECONDS_MAX) -> None:
        """Begin no more; let those going on end, and cut those that do not in time."""
        self._draining = True
        if not self._going_on:
            return
        _, cut = await asyncio.wait(self._going_on.values(), timeout=seconds_max)
        for task in cut:
            task.cancel()
        if cut:
            _log.warning("%d reactions are cut; the next start takes them up", len(cut))
            await asyncio.wait(cut)

    async def _run(self, position: int) -> bool:
        try:
            async with self._room:
                if self._draining:
                    return False
                await self._react(position)
        except Exception:
            self._note_trouble(position)
            return False
        self._troubled.pop(position, None)
        return True

    def _note_trouble(self, position: int) -> None:
        times = self._troubled.get(position, (0, 0.0))[0] + 1
        pause = min(RETRY_SECONDS_MIN * 2 ** (times - 1), RETRY_SECONDS_MAX)
        if len(self._troubled) >= REACTIONS_WAITING_MAX:
            self._troubled.clear()
        self._troubled[position] = (times, asyncio.get_running_loop().time() + pause)
        _log.exception("the reaction to the event at %d failed; again in %g s", position, pause)
