"""NATS as the simulation has it: one stream, its pull consumers, and all that can happen to a message."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from types import SimpleNamespace
from typing import Any, NamedTuple

import nats.errors
from nats.js import errors as js_errors

from aigestion.messaging.jetstream import STREAM_NAME_IN_USE, WRONG_LAST_SEQUENCE
from tests.simulation.loop import PROCESS, Incarnation, SimulationLoop

LATENCY_SECONDS_MAX = 6.0
DELIVERED_AT_ONCE_MAX = 100
A_MOMENT = 1e-6
"""What is sent one after the other arrives so."""


class Kept(NamedTuple):
    """One message of the stream."""

    subject: str
    headers: dict[str, str]
    data: bytes


class Delivered:
    """A message as a subscription's callback gets it."""

    def __init__(self, sequence: int, kept: Kept) -> None:
        self.subject, self.headers, self.data = kept
        self.metadata = SimpleNamespace(sequence=SimpleNamespace(stream=sequence))


class Told:
    """A status message: no event."""

    def __init__(self, status: str, description: str) -> None:
        self.headers = {"Status": status, "Description": description}


class PullConsumer:
    """The server's end of a consumer."""

    def __init__(self, inbox: Any, following: int) -> None:
        self.inbox = inbox
        self.following = following
        self.left = 0
        self.until = 0.0
        self.sent_at = 0.0


class NatsDouble:
    """One server. Messages to and from a client keep their order, unless chance says otherwise."""

    def __init__(self, loop: SimulationLoop, chance: random.Random) -> None:
        self.loop = loop
        self.chance = chance
        self.is_up = True
        self.slowness = 1.0
        self.lossy = 0.0
        """The share of messages that never reach their consumer, come twice, or come late."""
        self.deaf_until = 0.0
        """Until then no message reaches its consumer, and nobody is told."""
        self.first: int | None = None
        """The sequence the stream begins at; None while there is no stream."""
        self.stream: list[Kept] = []
        self.clients: list[Client] = []
        self.counts: Counter[str] = Counter()
        self.on_stored: Callable[[int, Kept], None] = lambda *_: None
        self._config: Any = None
        self._batches: dict[str, list[tuple[dict[str, str], Kept]]] = {}
        self._consumers: dict[str, PullConsumer] = {}
        self._context = Context()

    @property
    def last(self) -> int | None:
        return None if self.first is None else self.first + len(self.stream) - 1

    def latency(self) -> float:
        seconds = self.chance.uniform(0.0002, 0.002)
        spike = 80 if self.chance.random() < 0.01 else 1
        return min(seconds * max(spike, self.slowness), LATENCY_SECONDS_MAX)

    def later(self, seconds: float, do: Callable[..., None], *arguments: Any) -> None:
        self.loop.call_later(seconds, do, *arguments, context=self._context)

    def restart(self, forgets: int) -> None:
        """The server comes back, without so many messages it had acknowledged."""
        self.is_up = False
        self._batches.clear()
        self._consumers.clear()
        lost = min(forgets, len(self.stream))
        if lost:
            self.counts["amnesia"] += 1
            self.counts["messages forgotten"] += lost
            del self.stream[-lost:]
        for client in self.clients:
            client.disconnect(self.chance.uniform(0.1, 1.5))

    def delete_stream(self) -> None:
        self.first, self.stream = None, []
        self._consumers.clear()

    def heal(self) -> None:
        self.is_up, self.slowness, self.lossy, self.deaf_until = True, 1.0, 0.0, 0.0

    def ask(self, api: str, *arguments: Any) -> Any:
        """A question of the JetStream API; raises what the client makes of the answer."""
        return getattr(self, f"_{api}")(*arguments)

    def store(self, kept: Kept, extra: dict[str, str]) -> dict[str, Any] | None:
        """A message arrives: the stream's answer, if it gives one."""
        batch_id = extra.get("Nats-Batch-Id")
        if batch_id is None:
            return self._stored([(extra, kept)])
        batch = self._batches.setdefault(batch_id, [])
        batch.append((extra, kept))
        if "Nats-Batch-Commit" not in extra:
            return None
        del self._batches[batch_id]
        if len(batch) != int(extra["Nats-Batch-Sequence"]):
            return {"error": {"err_code": 10176, "description": "batch publish is incomplete"}}
        return self._stored(batch)

    def pull(self, name: str, batch: int, expires_seconds: float) -> None:
        consumer = self._consumers.get(name)
        if consumer is not None:
            consumer.left, consumer.until = batch, self.loop.time() + expires_seconds
            self._pump(consumer)
            self.later(0.5, self._beat, name, consumer)

    def forget(self, name: str) -> None:
        """A consumer is deleted."""
        self._consumers.pop(name, None)

    def _stored(self, batch: list[tuple[dict[str, str], Kept]]) -> dict[str, Any] | None:
        if self.last is None:
            return None
        expected = batch[0][0].get("Nats-Expected-Last-Sequence")
        if expected is not None and int(expected) != self.last:
            self.counts["refused"] += 1
            said = f"wrong last sequence: {self.last}"
            return {"error": {"err_code": WRONG_LAST_SEQUENCE, "description": said}}
        for _, kept in batch:
            self.stream.append(kept)
            self.on_stored(self.last, kept)
        self.loop.note("stored", self.last)
        for consumer in self._consumers.values():
            self._pump(consumer)
        return {"seq": self.last}

    def _pump(self, consumer: PullConsumer) -> None:
        assert self.first is not None
        consumer.following = max(consumer.following, self.first)
        room = min(consumer.left, DELIVERED_AT_ONCE_MAX)
        while room > 0 and consumer.following <= (self.last or 0):
            message = Delivered(consumer.following, self.stream[consumer.following - self.first])
            consumer.following += 1
            consumer.left -= 1
            room -= 1
            for copy_delay in self._fate(consumer):
                self.later(copy_delay, consumer.inbox.deliver, message)

    def _fate(self, consumer: PullConsumer) -> tuple[float, ...]:
        """When the copies of a message arrive."""
        if self.deaf_until > self.loop.time():
            self.counts["delivered lost"] += 1
            return ()
        if self.chance.random() >= self.lossy:
            now = self.loop.time()
            consumer.sent_at = max(consumer.sent_at + A_MOMENT, now + 0.001 * self.slowness)
            return (consumer.sent_at - now,)
        kind = self.chance.choice(("lost", "twice", "late"))
        self.counts[f"delivered {kind}"] += 1
        match kind:
            case "lost":
                return ()
            case "twice":
                return (self.latency(), self.latency() + self.chance.random())
            case _:
                return (self.chance.random() * 2,)

    def _beat(self, name: str, consumer: PullConsumer) -> None:
        if self._consumers.get(name) is not consumer or consumer.left <= 0 or not self.is_up:
            return
        if self.loop.time() >= consumer.until:
            consumer.left = 0
            consumer.inbox.deliver(Told("408", "Request Timeout"))
        else:
            consumer.inbox.deliver(Told("100", "Idle Heartbeat"))
            self.later(0.5, self._beat, name, consumer)

    def _stream_info(self) -> Any:
        if self.first is None:
            raise js_errors.NotFoundError(code=404)
        state = SimpleNamespace(first_seq=self.first, last_seq=self.last, messages=len(self.stream))
        return SimpleNamespace(config=self._config, state=state)

    def _add_stream(self, config: Any) -> None:
        if self.first is not None:
            if config.first_seq == self.first:
                return
            raise js_errors.BadRequestError(code=400, err_code=STREAM_NAME_IN_USE)
        self.first, self.stream, self._config = config.first_seq, [], config
        self.counts["streams made"] += 1

    def _get_msg(self, sequence: int) -> Any:
        if self.first is None or not self.first <= sequence <= (self.last or 0):
            raise js_errors.NotFoundError(code=404)
        return SimpleNamespace(headers=self.stream[sequence - self.first].headers)

    def _add_consumer(self, config: Any, inbox: Any) -> Any:
        if self.first is None:
            raise js_errors.NotFoundError(code=404)
        following = max(config.opt_start_seq, self.first)
        self._consumers[config.name] = PullConsumer(inbox, following)
        return SimpleNamespace(delivered=SimpleNamespace(stream_seq=following - 1))


class Inbox:
    """A client's subscription to a subject of its own."""

    def __init__(self, client: "Client", subject: str, callback: Any) -> None:
        self.subject = subject
        self._client = client
        self._callback = callback
        self._is_open = True

    def deliver(self, message: Any) -> None:
        """The message is with the client; its code runs in its own process."""
        if self._client.is_connected:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._take, message, context=self._client.owner.context)

    def _take(self, message: Any) -> None:
        if self._is_open:
            try:
                self._callback(message).send(None)
            except StopIteration:
                return
            raise AssertionError("a callback that waits is not simulated")

    async def unsubscribe(self) -> None:
        self._is_open = False


class Client:
    """Looks like `nats.aio.client.Client` to the broker and its readers."""

    def __init__(self, server: NatsDouble) -> None:
        owner = PROCESS.get()
        assert owner is not None
        self.owner: Incarnation = owner
        self.is_connected = True
        self._server = server
        self._timeout = 2.0
        self._sent_at = 0.0
        self._inboxes = 0
        self._latest: Inbox | None = None
        server.clients.append(self)

    def disconnect(self, seconds: float) -> None:
        """The connection breaks; the client notices, and is back after a while if the server is."""
        self.is_connected = False
        self._server.later(seconds, self._reconnect)

    def _reconnect(self) -> None:
        if not self._server.is_up:
            self._server.later(0.2, self._reconnect)
        self.is_connected = self._server.is_up

    async def publish(
        self,
        subject: str,
        data: bytes = b"",
        reply: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        if not self.is_connected:
            raise nats.errors.ConnectionClosedError
        if subject.startswith("$JS.API.CONSUMER.MSG.NEXT."):
            asked = json.loads(data)
            name = subject.rsplit(".", 1)[1]
            seconds = asked["expires"] / 1e9
            self._send(lambda: self._server.pull(name, asked["batch"], seconds))
        elif subject.startswith("$JS.API.CONSUMER.DELETE."):
            name = subject.rsplit(".", 1)[1]
            self._send(lambda: self._server.forget(name))
        else:
            self._send(lambda: self._store(subject, data, headers or {}))
        await asyncio.sleep(0)

    async def request(
        self, subject: str, data: bytes, timeout: float, headers: dict[str, str]
    ) -> Any:
        def stored() -> Any:
            answer = self._store(subject, data, headers)
            return None if answer is None else SimpleNamespace(data=json.dumps(answer).encode())

        return await self._answer(stored, timeout)

    def new_inbox(self) -> str:
        self._inboxes += 1
        return f"_INBOX.{self._inboxes}"

    async def subscribe(self, subject: str, cb: Any) -> Inbox:
        """Whoever subscribes here goes on to make the consumer that pulls into it."""
        await asyncio.sleep(0)
        self._latest = Inbox(self, subject, cb)
        return self._latest

    def jetstream(self, timeout: float) -> "Client":
        self._timeout = timeout
        return self

    async def stream_info(self, _: str) -> Any:
        return await self._answer(lambda: self._server.ask("stream_info"), self._timeout)

    async def add_stream(self, config: Any) -> Any:
        return await self._answer(
            lambda: self._server.ask("add_stream", config) or True, self._timeout
        )

    async def get_msg(self, _: str, seq: int) -> Any:
        return await self._answer(lambda: self._server.ask("get_msg", seq), self._timeout)

    async def add_consumer(self, _: str, config: Any) -> Any:
        inbox = self._latest
        return await self._answer(
            lambda: self._server.ask("add_consumer", config, inbox), self._timeout
        )

    def _store(self, subject: str, data: bytes, headers: dict[str, str]) -> dict[str, Any] | None:
        extra = {name: value for name, value in headers.items() if name.startswith("Nats-")}
        own = {name: value for name, value in headers.items() if name not in extra}
        return self._server.store(Kept(subject, own, data), extra)

    def _send(self, do: Callable[[], Any]) -> None:
        """In the order it was sent. What is under way when the connection breaks may still arrive."""
        now = self._server.loop.time()
        self._sent_at = max(self._sent_at + A_MOMENT, now + self._server.latency())
        self._server.later(self._sent_at - now, self._arrive, do)

    def _arrive(self, do: Callable[[], Any]) -> None:
        if self._server.is_up:
            do()

    async def _answer(self, question: Callable[[], Any], timeout: float) -> Any:
        """Ask and wait. Question or answer may be lost, or late: then nobody knows what happened."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def asked() -> None:
            try:
                result = question()
            except js_errors.Error as error:
                result = error
            if result is not None:
                self._server.later(self._server.latency(), told, result)

        def told(result: Any) -> None:
            if answer.done() or not self.is_connected:
                return
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

        if self.is_connected:
            self._send(asked)
        try:
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            raise nats.errors.TimeoutError from None
