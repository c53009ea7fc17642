"""Load, decide, append: runs use cases against the log, with recently used states kept in memory."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from aigestion.commands.catalog import USE_CASES
from aigestion.events.event import Event
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.port import EventStore
from aigestion.kernel.clock import Clock, utc_now
from aigestion.kernel.context import Context, Request
from aigestion.kernel.decider import UseCase
from aigestion.kernel.errors import (
    AIGestionError,
    AppendConditionFailed,
    IdempotencyKeyReused,
    TooMuchContention,
)
from aigestion.kernel.ids import new_id
from aigestion.kernel.query import AppendCondition, Query, matching

ATTEMPTS_MAX = 16
"""How often one command decides anew because somebody else was faster."""
STATES_CACHED_MAX = 20_000


class Happened(msgspec.Struct, frozen=True):
    """One event a command led to."""

    id: UUID
    position: int
    data: Event


class Outcome(msgspec.Struct, frozen=True):
    """What a command led to. No events: it was no news."""

    position: int
    """The position to read your own write at: of the last event, or of the state decided on."""
    events: tuple[Happened, ...] = ()


class _Folded(msgspec.Struct, frozen=True):
    """A state, as far as it is known."""

    state: Any
    position: int = 0
    """Of the last event in it."""
    upto: int = 0
    """Nothing is missing from it up to here, which may be long after its last event."""


class Dispatcher:
    """Executes commands. Usual cost of one whose state is in memory: one round trip to the log.

    `dispatch` raises what the use case raises (`Refused`, `NotFound`), `IdempotencyKeyReused`,
    `TooMuchContention`, and `Unavailable` when the log does not answer.
    """

    def __init__(
        self,
        store: EventStore,
        codec: Codec,
        *,
        clock: Clock = utc_now,
        fresh_id: Callable[[], UUID] = new_id,
        use_cases: Iterable[UseCase[Any, Any]] = USE_CASES,
    ) -> None:
        self._store = store
        self._codec = codec
        self._clock = clock
        self._fresh_id = fresh_id
        self._use_cases = {use_case.command: use_case for use_case in use_cases}
        self._states: OrderedDict[tuple[Any, Query], _Folded] = OrderedDict()
        self._loading: dict[tuple[Any, Query], asyncio.Task[_Folded]] = {}

    async def dispatch(self, command: Any, context: Context) -> Outcome:
        """Decide on the command and append what it leads to, exactly once a request key."""
        use_case = self._use_cases[type(command)]
        boundary = use_case.reads(command).scoped(context.tenant)
        folded = self._recall(use_case, boundary) or await self._load(use_case, boundary)
        for _ in range(ATTEMPTS_MAX):
            refused: AIGestionError | None = None
            events: Sequence[Event] = ()
            try:
                events = use_case.decide(command, folded.state)
            except AIGestionError as refusal:
                refused = refusal
            if not events:
                # A remembered state may be old: nobody is turned away before the news is read.
                news = await self._catch_up(use_case, boundary, folded)
                if news.position > folded.position:
                    folded = news
                    continue
                if (first := await self._first_answer(context)) is not None:
                    return first
                if refused is not None:
                    raise refused
                return Outcome(folded.position)
            try:
                return await self._append(use_case, boundary, folded, events, context)
            except AppendConditionFailed:
                if (first := await self._first_answer(context)) is not None:
                    return first
                folded = await self._catch_up(use_case, boundary, folded)
        raise TooMuchContention("Too many others are changing the same thing; try again.")

    async def _append(
        self,
        use_case: UseCase[Any, Any],
        boundary: Query,
        folded: _Folded,
        events: Sequence[Event],
        context: Context,
    ) -> Outcome:
        conditions = [AppendCondition(boundary, folded.upto)]
        extra_tags: tuple[str, ...] = ()
        if context.request is not None:
            extra_tags = (context.request.tag,)
            conditions.append(AppendCondition(_of_request(context.request, context.tenant)))
        now = self._clock()
        sealed = [
            await self._codec.seal(
                event,
                context,
                event_id=self._fresh_id(),
                occurred_at=now,
                extra_tags=extra_tags,
            )
            for event in events
        ]
        last = await self._store.append(sealed, *conditions)
        state = folded.state
        for event in events:
            state = use_case.evolve(state, event)
        self._remember(use_case, boundary, _Folded(state, last, last))
        first = last - len(events) + 1
        return Outcome(
            last,
            tuple(
                Happened(new.id, first + offset, event)
                for offset, (new, event) in enumerate(zip(sealed, events, strict=True))
            ),
        )

    async def _first_answer(self, context: Context) -> Outcome | None:
        """The outcome this very request had before, if it had one."""
        if context.request is None:
            return None
        stored = await self._store.read(_of_request(context.request, context.tenant))
        if not stored:
            return None
        if stored[0].event.correlation_id != context.correlation_id:
            raise IdempotencyKeyReused("This Idempotency-Key was used for another request before.")
        recorded = [await self._codec.open(one) for one in stored]
        return Outcome(
            recorded[-1].position,
            tuple(Happened(one.id, one.position, one.data) for one in recorded),
        )

    async def _load(self, use_case: UseCase[Any, Any], boundary: Query) -> _Folded:
        """Read a state for the first time, once for all who ask for it meanwhile."""
        key = (use_case.evolve, boundary)
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = asyncio.create_task(self._read_all(use_case, boundary))
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(loading)

    async def _read_all(self, use_case: UseCase[Any, Any], boundary: Query) -> _Folded:
        # A condition looks at all that has the same tags since then: in a long conversation that is much.
        upto = await self._store.head()
        return await self._catch_up(use_case, boundary, _Folded(use_case.initial), upto)

    async def _catch_up(
        self, use_case: UseCase[Any, Any], boundary: Query, folded: _Folded, upto: int = 0
    ) -> _Folded:
        """Read what is new, which is at least all there is up to `upto`."""
        state, position = folded.state, folded.position
        for stored in await self._store.read(boundary, after=folded.upto):
            state = use_case.evolve(state, (await self._codec.open(stored)).data)
            position = stored.position
        caught_up = _Folded(state, position, max(position, folded.upto, upto))
        self._remember(use_case, boundary, caught_up)
        return caught_up

    def _recall(self, use_case: UseCase[Any, Any], boundary: Query) -> _Folded | None:
        key = (use_case.evolve, boundary)
        folded = self._states.get(key)
        if folded is not None:
            self._states.move_to_end(key)
        return folded

    def _remember(self, use_case: UseCase[Any, Any], boundary: Query, folded: _Folded) -> None:
        key = (use_case.evolve, boundary)
        known = self._states.get(key)
        if known is None:
            self._states[key] = folded
            if len(self._states) > STATES_CACHED_MAX:
                self._states.popitem(last=False)
        elif known.upto <= folded.upto:
            self._states[key] = folded
            self._states.move_to_end(key)


def _of_request(request: Request, tenant: str) -> Query:
    return matching(request.tag).scoped(tenant)
