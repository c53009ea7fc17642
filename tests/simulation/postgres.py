"""PostgreSQL as the simulation has it: sessions, locks, commits, and all that can happen to a connection."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from tests.simulation.loop import Incarnation, SimulationLoop

EPOCH = datetime(2026, 5, 1, tzinfo=UTC)
LATENCY_SECONDS_MAX = 6.0
KEEPALIVE_SECONDS = 12.0
"""So long a server holds the session of a client whose machine cannot be reached."""
LOCK_TIMEOUT_SECONDS = 2.0


class Row(tuple[Any, ...]):
    """A record: values by place and by name."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, **values: Any) -> "Row":
        row = cls(values.values())
        row.names = tuple(values)
        return row

    def __getitem__(self, at: Any) -> Any:
        return tuple.__getitem__(self, self.names.index(at) if isinstance(at, str) else at)


class Interrupted(Exception):
    """The backend was told to end, or the server died, before the statement committed."""


class Backend:
    """The server's end of one connection."""

    def __init__(self, pid: int, session: Any) -> None:
        self.pid = pid
        self.started = EPOCH + timedelta(seconds=pid)
        self.session = session
        self.alive = True
        self.busy = False
        self.task: asyncio.Task[None] | None = None
        self.doomed = False
        """Ends with the statement it is at."""
        self.interrupted = False
        """And does not commit it, unless it has."""
        self.locks: list[ServerLock] = []
        self.advisory: Counter[int] = Counter()
        self.transaction: list[Callable[[], None]] | None = None
        """What the commit does; None outside of one."""


class ServerLock:
    """A row's lock: one holder, the others in a queue."""

    def __init__(self) -> None:
        self.holder: Backend | None = None
        self.waiting: deque[tuple[Backend, asyncio.Future[None]]] = deque()

    async def take(self, backend: Backend) -> None:
        if self.holder is None:
            self._give(backend)
        elif self.holder is not backend:
            turn = asyncio.get_running_loop().create_future()
            self.waiting.append((backend, turn))
            try:
                async with asyncio.timeout(LOCK_TIMEOUT_SECONDS):
                    await turn
            except TimeoutError:
                raise asyncpg.LockNotAvailableError(
                    "canceling statement due to lock timeout"
                ) from None
            finally:
                self.waiting = deque(one for one in self.waiting if one[0] is not backend)

    def release(self, backend: Backend) -> None:
        if self.holder is not backend:
            return
        self.holder = None
        backend.locks.remove(self)
        while self.waiting and self.holder is None:
            successor, turn = self.waiting.popleft()
            if not turn.done():
                self._give(successor)
                turn.set_result(None)

    def interrupt(self, backend: Backend) -> None:
        """The backend waits no longer."""
        for one, turn in self.waiting:
            if one is backend and not turn.done():
                turn.set_exception(Interrupted())

    def _give(self, backend: Backend) -> None:
        self.holder = backend
        backend.locks.append(self)


Statement = Callable[..., Any]


class PostgresDouble:
    """One server. What statements mean is given to it; when they run, and whether, is decided here."""

    def __init__(
        self, loop: SimulationLoop, chance: random.Random, find: Callable[[str], Statement]
    ) -> None:
        self.loop = loop
        self.chance = chance
        self.is_up = True
        self.slowness = 1.0
        self.breaking = 0
        """So many appends will see their connection break under way."""
        self.silencing = 0
        """So many new connections will soon carry nothing any more."""
        self.backends: dict[int, Backend] = {}
        self.counts: Counter[str] = Counter()
        self._find = find
        self._pids = 0
        self.leaders: dict[int, Incarnation] = {}
        """Who held each advisory lock last."""
        self._unreachable: dict[Incarnation, float] = {}
        self._context = Context()

    def latency(self) -> float:
        seconds = self.chance.uniform(0.0002, 0.002)
        spike = 80 if self.chance.random() < 0.01 else 1
        return min(seconds * max(spike, self.slowness), LATENCY_SECONDS_MAX)

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.loop.time())

    def is_reachable(self, process: Incarnation) -> bool:
        return self._unreachable.get(process, 0.0) <= self.loop.time()

    def later(self, seconds: float, do: Callable[..., None], *arguments: Any) -> None:
        self.loop.call_later(seconds, do, *arguments, context=self._context)

    def admit(self, session: Any) -> Backend:
        """A new session."""
        self._pids += 1
        backend = self.backends[self._pids] = Backend(self._pids, session)
        if self.silencing:
            self.silencing -= 1
            self.counts["new connections fallen silent"] += 1
            self.later(self.chance.random() * 0.01, self.silence, backend)
        return backend

    def send(
        self, backend: Backend, sql: str, arguments: tuple[Any, ...], answer: asyncio.Future[Any]
    ) -> None:
        """A statement sets out."""
        if self.is_reachable(backend.session.owner):
            self.later(self.latency(), self._arrive, backend, sql, arguments, answer)

    def client_gone(self, backend: Backend) -> None:
        """The client hung up: what is under way goes on to its end, as the server does not look."""
        if backend.busy:
            backend.doomed = True
        else:
            self.end(backend)

    def kill(self, backend: Backend) -> None:
        """`pg_terminate_backend`: heeded a moment later, and not after the commit."""
        backend.interrupted = True
        for lock in self._all_locks():
            lock.interrupt(backend)
        if backend.busy:
            backend.doomed = True
        else:
            self.later(self.latency(), self.end, backend)

    def process_died(self, process: Incarnation) -> None:
        for backend in self._of(process):
            self.later(self.latency(), self.client_gone, backend)

    def reset(self, process: Incarnation) -> None:
        """Every connection of the process breaks, and both sides know."""
        for backend in self._of(process):
            self.break_off(backend)

    def break_off(self, backend: Backend) -> None:
        """The connection breaks; the server looks when its statement is done."""
        backend.session.broke()
        self.later(self.latency(), self.client_gone, backend)

    def cut_off(self, process: Incarnation, seconds: float) -> None:
        """Nothing gets through for a while, and what was under way is lost; nobody is told."""
        self._unreachable[process] = self.loop.time() + seconds
        for backend in self._of(process):
            self.silence(backend)

    def silence(self, backend: Backend) -> None:
        """What the server says does not arrive; what it is told may."""
        backend.session.is_silent = True
        self.later(KEEPALIVE_SECONDS, self.client_gone, backend)

    def heal(self) -> None:
        self._unreachable.clear()
        self.breaking = self.silencing = 0
        self.is_up, self.slowness = True, 1.0

    def depose(self, process: Incarnation) -> None:
        """Its locks are free, and it will not know before it asks."""
        for backend in self._of(process):
            if +backend.advisory:
                backend.session.is_silent = True
                self.end(backend)

    def crash(self) -> None:
        """Every session ends; what was not committed never was."""
        self.is_up = False
        for backend in list(self.backends.values()):
            backend.interrupted = True
            self.end(backend)

    def end(self, backend: Backend) -> None:
        """The session is over: its locks are free, its transaction never happened."""
        if not backend.alive:
            return
        backend.alive, backend.transaction = False, None
        self.backends.pop(backend.pid, None)
        backend.advisory.clear()
        for lock in self._all_locks():
            lock.interrupt(backend)
        for lock in list(backend.locks):
            lock.release(backend)
        self.later(self.latency(), backend.session.broke)

    async def work(self, backend: Backend, seconds: float) -> None:
        """A while in which the backend may be stopped."""
        await asyncio.sleep(seconds * self.slowness)
        if backend.interrupted or not backend.alive:
            raise Interrupted

    def held_elsewhere(self, key: int, backend: Backend) -> bool:
        return any(one is not backend and one.advisory[key] for one in self.backends.values())

    def locks(self) -> Iterator[ServerLock]:
        """Row locks there are; whoever has tables says which."""
        return iter(())

    def _all_locks(self) -> list[ServerLock]:
        return list(self.locks())

    def _of(self, process: Incarnation) -> list[Backend]:
        return [one for one in self.backends.values() if one.session.owner is process]

    def _arrive(
        self, backend: Backend, sql: str, arguments: tuple[Any, ...], answer: asyncio.Future[Any]
    ) -> None:
        if not backend.alive or not self.is_up:
            return
        backend.busy = True
        try:
            result = self._find(sql)(backend, *arguments)
        except asyncpg.PostgresError as error:
            self._reply(backend, answer, error)
            return
        if isinstance(result, Coroutine):
            running = self._finish(backend, result, answer)
            backend.task = self.loop.create_task(running, context=self._context)
        else:
            self._reply(backend, answer, result)

    async def _finish(
        self, backend: Backend, running: Coroutine[Any, Any, Any], answer: asyncio.Future[Any]
    ) -> None:
        try:
            result = await running
        except asyncpg.PostgresError as error:
            result = error
        except Interrupted:
            result = None
            backend.doomed = True
        self._reply(backend, answer, result)

    def _reply(self, backend: Backend, answer: asyncio.Future[Any], result: Any) -> None:
        backend.busy = False
        if backend.doomed and backend.interrupted:
            self.end(backend)
            return
        self.later(self.latency(), self._deliver, backend, answer, result)
        if backend.doomed:
            self.end(backend)

    def _deliver(self, backend: Backend, answer: asyncio.Future[Any], result: Any) -> None:
        if backend.session.is_silent or answer.done():
            return
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)


@contextmanager
def connecting_to(server: PostgresDouble, connect: Callable[..., Any]) -> Iterator[None]:
    """`asyncpg.connect` leads to the double."""
    real = asyncpg.connect
    asyncpg.connect = connect
    try:
        yield
    finally:
        asyncpg.connect = real
