"""What a process knows of what it works with: its engines, and its clock."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from nats.aio.client import Client

from aigestion.api.doors import HealthCheck
from aigestion.eventstore.pool import Losses
from aigestion.eventstore.pulse import LogPulse
from aigestion.kernel.cancellation import heed_cancellation
from aigestion.messaging.pulse import BrokerPulse
from aigestion.observability.engines import Engine
from aigestion.observability.metrics import Collect, engine_metrics
from aigestion.observability.wall_clock import WallClock

PAUSE_SECONDS = 1.0
OTHERS_PAUSE_SECONDS = 5.0
OTHERS_SECONDS_MAX = 5.0


class Vitals:
    """Asks every engine as long as `watch` runs; the log whenever `head` is asked for."""

    def __init__(self, postgres_url: str, client: Client, losses: Losses) -> None:
        """`losses`: of those who work on PostgreSQL."""
        self.wall_clock = WallClock()
        self._log_pulse = LogPulse(postgres_url)
        self._broker_pulse = BrokerPulse(client)
        self._postgres = Engine(
            "postgres", self._log_pulse.ask, lambda: self._log_pulse.reconnects + losses.count
        )
        self._nats = Engine("nats", self._broker_pulse.ask, lambda: self._broker_pulse.reconnects)
        self._others: list[Engine] = []

    async def head(self) -> int:
        """The last position of the log; `Unavailable` if it does not answer."""
        await self._postgres.look()
        return self._log_pulse.head

    async def nats(self) -> None:
        """Raises if the broker does not answer."""
        await self._broker_pulse.ask()

    def also(self, health: Mapping[str, HealthCheck]) -> None:
        """Watch these engines too."""
        self._others += [Engine(name, _timed(check)) for name, check in health.items()]

    async def watch(self) -> None:
        """For ever."""
        try:
            async with asyncio.TaskGroup() as watching:
                watching.create_task(self._watch_clock())
                watching.create_task(self._nats.watch(PAUSE_SECONDS))
                for engine in self._others:
                    watching.create_task(engine.watch(OTHERS_PAUSE_SECONDS))
        finally:
            await self._log_pulse.close()

    def metrics(self) -> Collect:
        engines = (self._postgres, self._nats, *self._others)
        return engine_metrics(
            engines, self.wall_clock, lambda: self._log_pulse.clock_offset_seconds
        )

    async def _watch_clock(self) -> None:
        while True:
            heed_cancellation()
            self.wall_clock.look()
            await asyncio.sleep(PAUSE_SECONDS)


def _timed(check: HealthCheck) -> Callable[[], Awaitable[float]]:
    async def ask() -> float:
        now = asyncio.get_running_loop().time
        began = now()
        async with asyncio.timeout(OTHERS_SECONDS_MAX):
            await check()
        return now() - began

    return ask
