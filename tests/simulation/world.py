"""An installation in one event loop: servers, processes that are started again when they die, and its clients."""

import asyncio
import gc
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aigestion.projections.conversations import conversations
from tests.simulation.database import Database
from tests.simulation.loop import Incarnation, SimulationLoop, Stuck
from tests.simulation.nats_double import NatsDouble
from tests.simulation.postgres import connecting_to
from tests.simulation.program import Durable
from tests.simulation.view_tables import ViewTables

RESTART_SECONDS = 0.5


class Process:
    """One seat of the installation: an incarnation of a program at a time."""

    def __init__(self, world: "World", name: str, program: Callable[[Durable], Any]) -> None:
        self.world = world
        self.name = name
        self.program: Any = None
        self.calls: list[asyncio.Future[Any]] = []
        """Requests somebody waits for, who will see the connection break."""
        self._make = program
        self.lives: list[Incarnation] = []
        self.life = self.start()

    def start(self) -> Incarnation:
        life = Incarnation(self.name, len(self.lives) + 1)
        life.on_death = self.kill
        self.lives.append(life)
        self.life = life
        life.context.run(self._begin)
        return life

    def kill(self, restart_seconds: float = RESTART_SECONDS) -> None:
        """`kill -9`, and somebody starts it again."""
        life = self.life
        if not life.alive:
            return
        life.alive = False
        world = self.world
        world.happened("killed")
        world.loop.note("killed", life.name)
        world.database.process_died(life)
        world.nats.clients = [one for one in world.nats.clients if one.owner is not life]
        for call in self.calls:
            if not call.done():
                call.set_exception(ConnectionResetError())
        self.calls.clear()
        world.later(restart_seconds, self.start)

    def pause(self, seconds: float) -> None:
        """`kill -STOP`, and `-CONT` after a while."""
        life = self.life
        if life.alive and not life.paused:
            life.paused = True
            self.world.happened("paused")
            self.world.later(seconds, self.world.loop.resume, life)

    def _begin(self) -> None:
        loop = self.world.loop
        self.program = self._make(self.world.durable)
        running = loop.create_task(self._run(), name=self.name)
        self.world.tasks.append(running)

    async def _run(self) -> None:
        await self.program.run()
        self.world.failures.append(f"{self.name} ended by itself")


class World:
    """Everything of one schedule."""

    def __init__(self, seed: int, programs: Mapping[str, Callable[[Durable], Any]]) -> None:
        self.seed = seed
        self.chance = random.Random(f"world {seed}")
        self.loop = SimulationLoop(random.Random(f"order {seed}"))
        self.database = Database(self.loop, random.Random(f"database {seed}"))
        self.nats = NatsDouble(self.loop, random.Random(f"nats {seed}"))
        self.durable = Durable(self.loop, self.database, self.nats)
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        """What went wrong in the simulation itself, or in a program beyond its own handling."""
        self.tasks: list[asyncio.Task[Any]] = []
        self.processes: dict[str, Process] = {}
        self._programs = programs
        self.loop.set_exception_handler(self._note_failure)

    def run(self, story: Callable[["World"], Any]) -> None:
        """Start everything, run the story, and leave nothing behind."""
        with _quiet(self.failures), connecting_to(self.database, self.durable.connecting.connect):
            try:
                self.loop.run_until_complete(self._told(story))
            finally:
                self._end()

    def happened(self, what: str) -> None:
        self.counts[what] += 1

    def later(self, seconds: float, do: Callable[..., Any], *arguments: Any) -> None:
        """As the world does it, not a process."""
        self.database.later(seconds, do, *arguments)

    def of(self, kind: str) -> list[Process]:
        return [one for name, one in self.processes.items() if name.startswith(kind)]

    async def _told(self, story: Callable[["World"], Any]) -> None:
        if any(name.startswith("project") for name in self._programs):
            await self._prepare_view()
        for name, program in self._programs.items():
            self.processes[name] = Process(self, name, program)
        await story(self)

    async def _prepare_view(self) -> None:
        view = await self.durable.registry.create(conversations.name, conversations.version)
        await self.durable.registry.activate(view)
        self.database.views[view.name] = ViewTables()

    def _note_failure(self, _: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.failures.append(f"{context['message']}: {error!r}")

    def _end(self) -> None:
        """Everybody may run again, to be cancelled: so no coroutine is left for the garbage collector."""
        loop = self.loop
        loop.is_over = True
        loop.set_exception_handler(lambda *_: None)
        for process in self.processes.values():
            for life in process.lives:
                loop.resume(life)
        for _ in range(10):
            left = asyncio.all_tasks(loop)
            if not left:
                break
            for task in left:
                task.cancel()
            try:
                loop.run_until_complete(asyncio.wait(left, timeout=30))
            except Stuck:
                break
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class _Listening(logging.Handler):
    """Hears of errors that no fault of the world explains: of the doubles, or of the program."""

    def __init__(self, failures: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._failures = failures

    def emit(self, record: logging.LogRecord) -> None:
        told = list(record.args) if isinstance(record.args, tuple) else []
        if record.exc_info:
            told.append(record.exc_info[1])
        for error in told:
            if isinstance(error, _UNEXPLAINED):
                self._failures.append(f"{record.name} logged {error!r}")


_UNEXPLAINED = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError)


@contextmanager
def _quiet(failures: list[str]) -> Iterator[None]:
    """What programs say of faults is not for people here; garbage is collected between schedules only."""
    logger, listening = logging.getLogger("aigestion"), _Listening(failures)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(listening)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        logger.removeHandler(listening)
        logger.propagate = propagate
