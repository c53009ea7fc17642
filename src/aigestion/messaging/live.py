"""Live conversations: the pieces of a reply on their way to whoever watches, over core NATS (law 12)."""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Self
from uuid import UUID

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from aigestion.messaging.cloudevents import tags_in
from aigestion.messaging.port import Delta, LiveItem, Wake
from aigestion.messaging.subjects import EVENT_SUBJECTS, LIVE_SUBJECTS, live_subject

LISTENER_ITEMS_MAX = 1_000
CHECK_SECONDS = 1.0
"""How often the hub looks whether the broker was away, and so how long a watcher may miss something."""

_log = logging.getLogger(__name__)


class _Piece(msgspec.Struct):
    """A delta on the wire; tenant and conversation are in the subject."""

    run_id: UUID
    text: str


class NatsLiveChannel:
    """Where agents put the pieces of a reply. While the broker is away they are dropped."""

    def __init__(self, connection: Client) -> None:
        self._nats = connection

    async def publish(self, tenant: str, delta: Delta) -> None:
        if not self._nats.is_connected:
            return  # The client would keep them, and bring them long after the reply.
        piece = msgspec.json.encode(_Piece(delta.run_id, delta.text))
        with suppress(nats.errors.Error):
            await self._nats.publish(live_subject(tenant, delta.conversation_id), piece)


class Listener:
    """One watcher, of one conversation or of a tenant's log: iterate it. Never holds more than `LISTENER_ITEMS_MAX`."""

    def __init__(self) -> None:
        self.lagging = False
        """It was too slow at least once; pieces were dropped, and it got a `Wake` without position."""
        self._items: deque[LiveItem] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LiveItem:
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._items.popleft()

    def put(self, item: LiveItem) -> None:
        """Offer an item; several `Wake`s in a row become one."""
        if len(self._items) >= LISTENER_ITEMS_MAX:
            self._items.clear()
            self.lagging = True
            item = Wake(None)
        elif isinstance(item, Wake) and self._items and isinstance(self._items[-1], Wake):
            earlier = self._items.pop()
            assert isinstance(earlier, Wake)
            item = _merged(earlier, item)
        self._items.append(item)
        self._arrived.set()

    def close(self) -> None:
        """End the iteration once what is queued is read."""
        self._closed = True
        self._arrived.set()


class LiveHub:
    """One a process: hears all conversations, and hands each watcher its own."""

    def __init__(self, connection: Client) -> None:
        self._nats = connection
        self._listeners: defaultdict[tuple[str, UUID | None], set[Listener]] = defaultdict(set)
        """By tenant and conversation; None for those who watch all of the tenant's log."""
        self._subscriptions: list[Subscription] = []
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Subscribe; the client does so again after every outage."""
        for subject, callback in ((LIVE_SUBJECTS, self._piece), (EVENT_SUBJECTS, self._event)):
            self._subscriptions.append(await self._nats.subscribe(subject, cb=callback))
        self._watch = asyncio.create_task(self._watch_broker(), name="live hub")

    async def stop(self) -> None:
        """End every listener."""
        for listener in self._all():
            listener.close()
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        for subscription in self._subscriptions:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    @asynccontextmanager
    async def listen(
        self, tenant: str, conversation_id: UUID | None = None
    ) -> AsyncIterator[Listener]:
        """Watch a conversation, or all of a tenant's log (without pieces of replies).

        Listen first, read the log then, and nothing is missed between.
        """
        listener = Listener()
        key = (tenant, conversation_id)
        self._listeners[key].add(listener)
        try:
            yield listener
        finally:
            self._listeners[key].discard(listener)
            if not self._listeners[key]:
                del self._listeners[key]

    async def _piece(self, message: Msg) -> None:
        with suppress(ValueError, msgspec.MsgspecError):
            _, tenant, conversation = message.subject.split(".")
            conversation_id = UUID(conversation)
            listeners = self._listeners.get((tenant, conversation_id))
            if listeners:
                piece = msgspec.json.decode(message.data, type=_Piece)
                _put(listeners, Delta(conversation_id, piece.run_id, piece.text))

    async def _event(self, message: Msg) -> None:
        """What the relay sends, seen before the broker has accepted it: a hint to read the log."""
        if not self._listeners:
            return
        headers = message.headers or {}
        tenant = message.subject.split(".")[1]
        with suppress(ValueError, KeyError):
            wake = Wake(int(headers["ce-position"]))
            _put(self._listeners.get((tenant, None), ()), wake)
            for tag in tags_in(headers):
                kind, _, value = tag.partition(":")
                if kind == "conversation":
                    _put(self._listeners.get((tenant, UUID(value)), ()), wake)

    async def _watch_broker(self) -> None:
        """While the broker is away, and once it is back, everybody had better read the log."""
        reconnects = self._nats.stats["reconnects"]
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            if not self._nats.is_connected or self._nats.stats["reconnects"] != reconnects:
                reconnects = self._nats.stats["reconnects"]
                _put(self._all(), Wake(None))

    def _all(self) -> list[Listener]:
        return [listener for group in self._listeners.values() for listener in group]


def _merged(earlier: Wake, later: Wake) -> Wake:
    if earlier.position is None or later.position is None:
        return Wake(None)
    return Wake(max(earlier.position, later.position))


def _put(listeners: Iterable[Listener], item: LiveItem) -> None:
    for listener in listeners:
        listener.put(item)
