"""Safety rules taken out of the program, one at a time, from outside: what the simulation must notice."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import msgspec

from aigestion.agents import run_record
from aigestion.agents.sweep import Sweep
from aigestion.commands.dispatcher import Dispatcher
from aigestion.commands.run import complete_model_call, request_model
from aigestion.eventstore.append_connection import AppendConnection
from aigestion.eventstore.append_group import AppendGroup
from aigestion.eventstore.appender import Appender
from aigestion.kernel.ids import new_id
from aigestion.messaging import jetstream
from aigestion.messaging.subscription import Subscription
from aigestion.projections.runner import Runner
from aigestion.readstores.postgres import store as read_store
from aigestion.readstores.postgres.store import PostgresReadStore
from tests.simulation.log_tables import LogTables


@contextmanager
def _without(owner: Any, name: str, instead: Any) -> Iterator[None]:
    real = owner.__dict__[name]
    setattr(owner, name, instead)
    try:
        yield
    finally:
        setattr(owner, name, real)


@contextmanager
def no_expected_sequence() -> Iterator[None]:
    """The relay's messages are stored behind whatever the broker has."""
    with _without(jetstream, "_following", lambda _: {"Nats-Expected-Stream": jetstream.STREAM}):
        yield


@contextmanager
def no_gap_check() -> Iterator[None]:
    """A subscription takes what comes for what comes next, and the runner does not count either."""

    async def read(self: Subscription, after: int, limit: int = 500) -> list[Any]:
        if self._tip is None or after >= self._tip:
            await self._wait_beyond(after)
        later = [one for one in self._recent if one.position > after]
        return later or await self._reader.read(after=after, limit=limit)

    with (
        _without(Subscription, "_take", _taken_for_the_next),
        _without(Subscription, "read", read),
        _without(Runner, "_write", _uncounted),
    ):
        yield


async def _uncounted(self: Runner, events: Sequence[Any]) -> None:
    await self._writer.write(events)
    self._announce()


@contextmanager
def no_gap_check_in_the_subscription() -> Iterator[None]:
    """The runner still counts: it must not write what it is not sure of."""
    with _without(Subscription, "_take", _taken_for_the_next):
        yield


def _taken_for_the_next(self: Subscription, batch: Sequence[Any]) -> None:
    for message in batch:
        if message.position > self._tip and (event := self._opened(message)):
            self._recent.append(event)
            self._sizes.append(len(message.data))
            self._tip = message.position
    self._announce()


@contextmanager
def no_watermark() -> Iterator[None]:
    """A subscription believes a quiet broker."""

    async def check_head(_: Subscription) -> bool:
        return False

    with _without(Subscription, "_check_head", check_head):
        yield


@contextmanager
def checkpoint_apart_from_its_effect() -> Iterator[None]:
    """Two transactions: first the checkpoint, then what it stands for."""

    async def apply(
        self: PostgresReadStore, view: Any, changes: Any, position: int, *, visible: bool = True
    ) -> None:
        async with self._writing(view) as connection:
            present = await self._move_checkpoint(connection, view, position)
        if present < position:
            async with self._writing(view) as connection:
                await read_store._write_all(connection, view, changes)
        self._seen[view] = max(present, position)

    with _without(PostgresReadStore, "apply", apply):
        yield


@contextmanager
def no_comparison_while_quiet() -> Iterator[None]:
    """A runner believes that its store still has what it was told."""

    async def compare(_: Runner) -> None:
        return None

    with _without(Runner, "_compare", compare):
        yield


@contextmanager
def no_checkpoint_lock() -> Iterator[None]:
    """A former leader of a read model writes what it still has in hand."""

    async def move(_: PostgresReadStore, connection: Any, view: Any, position: int) -> int:
        await connection.execute(read_store._on(view, read_store._MOVE_CHECKPOINT), position)
        return -1

    with _without(PostgresReadStore, "_move_checkpoint", move):
        yield


@contextmanager
def no_append_condition() -> Iterator[None]:
    """The log takes whatever was decided, on whatever state."""
    real = Appender.append

    async def append(self: Appender, events: Any, conditions: Any = ()) -> int:
        return await real(self, events)

    with _without(Appender, "append", append):
        yield


@contextmanager
def nobody_held_in_a_group() -> Iterator[None]:
    """Requests of a group are judged on the log alone, not on each other."""
    with _without(AppendGroup, "_could_meet", lambda self, guard: False):
        yield


@contextmanager
def no_head_lock() -> Iterator[None]:
    """Two appends at a time give positions and judge conditions."""

    async def take_turn(*_: Any) -> None:
        return None

    with _without(LogTables, "take_turn", take_turn):
        yield


@contextmanager
def no_idempotency_tag() -> Iterator[None]:
    """A request that comes again is another one."""
    real = Dispatcher.dispatch

    async def dispatch(self: Dispatcher, command: Any, context: Any) -> Any:
        return await real(self, command, msgspec.structs.replace(context, request=None))

    with _without(Dispatcher, "dispatch", dispatch):
        yield


@contextmanager
def backends_outlive_their_connection() -> Iterator[None]:
    """After a break the appender looks what was recorded, while the former backend may still commit."""

    async def end(*_: Any) -> None:
        return None

    with _without(AppendConnection, "_end", end):
        yield


@contextmanager
def a_call_beside_an_open_one() -> Iterator[None]:
    """Whoever works on a run may ask the model, whatever another does or did."""

    def decide(command: Any, state: Any) -> Any:
        return request_model.decide(
            command, msgspec.structs.replace(state, open_call=None, attempts=0)
        )

    with _deciding(request_model.request_model, decide):
        yield


@contextmanager
def an_open_call_not_looked_at() -> Iterator[None]:
    """Only the count of attempts says whether a call may be made."""

    def decide(command: Any, state: Any) -> Any:
        return request_model.decide(command, msgspec.structs.replace(state, open_call=None))

    with _deciding(request_model.request_model, decide):
        yield


@contextmanager
def an_attempt_twice() -> Iterator[None]:
    """The same call again, when it has ended meanwhile."""

    def decide(command: Any, state: Any) -> Any:
        return request_model.decide(command, msgspec.structs.replace(state, attempts=0))

    with _deciding(request_model.request_model, decide):
        yield


@contextmanager
def an_answer_to_a_call_that_has_ended() -> Iterator[None]:
    """The fence of a run: whose call was given up must not reply any more."""

    def decide(command: Any, _: Any) -> Any:
        return [command.completed, command.reply]

    with _deciding(complete_model_call.complete_model_call, decide):
        yield


@contextmanager
def runs_with_fresh_ids() -> Iterator[None]:
    """A run's id is not derived from what it reacts to."""

    def fresh(cause: UUID, step: str) -> UUID:
        return new_id()

    with _without(run_record, "derived_id", fresh):
        yield


@contextmanager
def no_sweep() -> Iterator[None]:
    """Agents trust what the broker brings."""

    async def once(self: Sweep, idle_seconds: float) -> None:
        return None

    with _without(Sweep, "once", once):
        yield


@contextmanager
def _deciding(use_case: Any, decide: Callable[[Any, Any], Any]) -> Iterator[None]:
    real = use_case.decide
    object.__setattr__(use_case, "decide", decide)
    try:
        yield
    finally:
        object.__setattr__(use_case, "decide", real)
