"""Finds heard events without a run and runs without an end: nothing depends on the broker remembering."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from aigestion.agents.reactions import Reactions
from aigestion.agents.turns import TURN_EVENTS
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.cancellation import heed_cancellation
from aigestion.kernel.clock import Clock, utc_now
from aigestion.kernel.errors import AIGestionError
from aigestion.kernel.query import matching
from aigestion.queries.runs import UnfinishedRun

SWEEP_SECONDS = 5.0
FIRST_SWEEP_RETRY_SECONDS = 0.5
"""At the start the read model may not serve yet, and people may be waiting for what a crash cut."""
RUN_IDLE_SECONDS = 10.0
"""A run untouched for this long may have lost whoever worked on it. Its lock tells whether it has."""
RUNS_A_SWEEP_MAX = 500

_log = logging.getLogger(__name__)


class UnfinishedRuns(Protocol):
    """The part of `RunQueries` the sweep reads."""

    async def unfinished(
        self, agents: Sequence[str], *, idle_before: datetime, limit: int
    ) -> list[UnfinishedRun]: ...


class Sweep:
    """Looks once at the start for all that is unfinished, and then for what has been idle."""

    def __init__(
        self,
        runs: UnfinishedRuns,
        reader: LogReader,
        reactions: Reactions,
        agents: Callable[[], Awaitable[Sequence[str]]],
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._runs = runs
        self._reader = reader
        self._reactions = reactions
        self._agents = agents
        self._clock = clock

    async def run(self) -> None:
        """Sweep until cancelled."""
        # Whatever was left open before this start is nobody's, or is locked.
        idle_seconds, pause_seconds = 0.0, FIRST_SWEEP_RETRY_SECONDS
        while True:
            heed_cancellation()
            if await self._swept(idle_seconds):
                idle_seconds, pause_seconds = RUN_IDLE_SECONDS, SWEEP_SECONDS
            await asyncio.sleep(pause_seconds)

    async def _swept(self, idle_seconds: float) -> bool:
        """Whether it could be done."""
        try:
            await self.once(idle_seconds)
        except AIGestionError as error:
            _log.warning("nothing can be swept up now: %s", error)
            return False
        except Exception:
            _log.exception("a sweep failed")
            return False
        return True

    async def once(self, idle_seconds: float) -> None:
        """Begin a reaction for every run that is unfinished and was not touched for so long."""
        idle_before = self._clock() - timedelta(seconds=idle_seconds)
        for run in await self._runs.unfinished(
            await self._agents(), idle_before=idle_before, limit=RUNS_A_SWEEP_MAX
        ):
            position = run.event_position or await self._position(run)
            if position is not None:
                self._reactions.begin(position)

    async def _position(self, run: UnfinishedRun) -> int | None:
        """Where the event stands that the run heard, if its read model does not say."""
        query = matching(f"conversation:{run.conversation_id}", types=TURN_EVENTS)
        said = await self._reader.read(query.scoped(run.tenant))
        return next((one.position for one in said if one.id == run.in_reply_to), None)
