"""Calls to an engine that may be away: bounded in time, and not tried again at once."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from math import ceil
from typing import TypeVar

from aigestion.kernel.errors import Unavailable

TIMEOUT_SECONDS = 0.25
"""How long a call may take: the caller waits for it before its own work begins."""
PAUSE_SECONDS = 1.0
"""How long nothing is tried after a failure."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Breaker:
    """One failure opens it; while it is open, one call a pause is let through to look again.

    Silence is asked about once more first: it may be this process that was held up, at its start or by a
    full machine, and could not look at the answer in time. So work may be done twice. Everyone else is
    refused at once, so a dead engine costs one caller a pause the time-out, and an engine that is back is
    used again without anybody doing anything.
    """

    def __init__(
        self,
        engine: str,
        failures: tuple[type[Exception], ...],
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._engine = engine
        self._failures: tuple[type[Exception], ...] = (*failures, OSError, TimeoutError)
        self._timeout_seconds = timeout_seconds
        self._pause_seconds = pause_seconds
        self._try_again_at: float | None = None
        self._trying = False

    @property
    def open(self) -> bool:
        """Whether a call would be refused unasked."""
        at = self._try_again_at
        return at is not None and (self._trying or time.monotonic() < at)

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """What the work answers; `Unavailable` if it fails, takes too long, or just did."""
        if self.open:
            raise self.refusal()
        self._trying = looking_again = self._try_again_at is not None
        try:
            answer = await self._answer(work, may_ask_again=not looking_again)
        except self._failures as error:
            self._opened(error)
            raise self.refusal() from error
        finally:
            if looking_again:
                self._trying = False
        if self._try_again_at is not None:
            self._try_again_at = None
            _log.warning("%s answers again.", self._engine)
        return answer

    async def _answer(self, work: Callable[[], Awaitable[T]], *, may_ask_again: bool) -> T:
        try:
            async with asyncio.timeout(self._timeout_seconds) as deadline:
                return await work()
        except TimeoutError:
            if not (may_ask_again and deadline.expired()):
                raise
        return await self._answer(work, may_ask_again=False)

    def refusal(self) -> Unavailable:
        """What is raised while it is open."""
        return Unavailable(
            f"{self._engine} does not answer.",
            engine=self._engine,
            retry_after_seconds=ceil(self._pause_seconds),
        )

    def _opened(self, error: Exception) -> None:
        if self._try_again_at is None:
            _log.warning("%s does not answer: %s", self._engine, str(error) or type(error).__name__)
        self._try_again_at = time.monotonic() + self._pause_seconds
