"""Reading a JetStream stream in order, without acks: an ephemeral consumer, made anew whenever in doubt."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import api
from nats.js import errors as js_errors

from aigestion.kernel.cancellation import heed_cancellation
from aigestion.kernel.ids import new_id
from aigestion.messaging.port import Message
from aigestion.messaging.subjects import STREAM

BATCH_MESSAGES_MAX = 500
BATCH_BYTES_MAX = 8 * 1024 * 1024
QUIET_SECONDS = 0.5
PULL_SECONDS = 5.0
HEARTBEAT_SECONDS = 0.5
SILENCE_SECONDS_MAX = 1.5
"""Neither message nor heartbeat for this long: the consumer is taken for dead."""
IDLE_CONSUMER_SECONDS = 15.0
"""The server forgets a consumer nobody pulls from after this time."""
REQUEST_TIMEOUT_SECONDS = 2.0

_GOES_ON = ("Message Size Exceeds MaxBytes", "Batch Completed")
"""409s that end a pull and say nothing against the consumer."""

_log = logging.getLogger(__name__)


async def ordered_messages(connection: Client, after: int) -> AsyncIterator[list[Message]]:
    """Messages later than `after`, each at most once, in rising order; an empty list when quiet.

    Never ends and never raises for an outage. Positions that are missing are not in the stream,
    or were lost on the way: the reader finds out by comparing.
    """
    consumer: Consumer | None = None
    patient = True
    try:
        while True:
            heed_cancellation()
            if consumer is None:
                consumer = await opened(Consumer(connection), after)
            if consumer is None:
                await asyncio.sleep(QUIET_SECONDS)
                yield []
                continue
            batch = [m for m in await consumer.next(QUIET_SECONDS) if m.position > after]
            doubt = consumer.dead
            if patient and _has_gap(batch, after):
                # Something was lost on the way, or is not there. Asking once more tells which.
                batch, patient, doubt = [], False, f"messages after {after} are missing"
            if batch:
                after, patient = batch[-1].position, True
            elif doubt:
                _log.info("making another consumer: %s", doubt)
                await consumer.close()
                consumer = None
            yield batch
    finally:
        if consumer is not None:
            await consumer.close()


def _has_gap(batch: list[Message], after: int) -> bool:
    return bool(batch) and batch[-1].position - after != len(batch)


async def opened(consumer: "Consumer", after: int) -> "Consumer | None":
    """The consumer, open; None if that cannot be had now."""
    try:
        await consumer.open(after)
    except (nats.errors.Error, js_errors.Error, OSError, TimeoutError) as error:
        _log.debug("no consumer for the time being: %s", error)
        await consumer.close()
        return None
    return consumer


class Consumer:
    """One ephemeral pull consumer, of everything or of one filter. Once `dead`, another one is made."""

    def __init__(
        self, connection: Client, *, name: str | None = None, filter_subject: str | None = None
    ) -> None:
        """With a `name` it takes the place of the one that has that name: a grant allows no other."""
        self.dead: str | None = None
        self.begins = 0
        """The first position it may bring: what lies before, the broker no longer holds."""
        self._nats = connection
        self._given_name = name is not None
        self._name = name or f"reader-{new_id().hex}"
        self._filter_subject = filter_subject
        self._inbox: Subscription | None = None
        self._arrived: deque[Msg] = deque()
        self._signal = asyncio.Event()
        self._left = 0
        """Messages the present pull may still bring."""
        self._heard_at = 0.0

    async def open(self, after: int) -> None:
        if not self._nats.is_connected:
            raise nats.errors.ConnectionReconnectingError
        js = self._nats.jetstream(timeout=REQUEST_TIMEOUT_SECONDS)
        if self._given_name:
            with suppress(js_errors.NotFoundError):
                await js.delete_consumer(STREAM, self._name)
        subject = self._nats.new_inbox()
        self._inbox = await self._nats.subscribe(subject, cb=self._take)
        config = api.ConsumerConfig(
            name=self._name,
            filter_subject=self._filter_subject,
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=after + 1,
            ack_policy=api.AckPolicy.NONE,
            mem_storage=True,
            num_replicas=1,
            inactive_threshold=IDLE_CONSUMER_SECONDS,
        )
        made = await js.add_consumer(STREAM, config)
        self.begins = (made.delivered.stream_seq if made.delivered else after) + 1
        await self._pull()

    async def next(self, quiet_seconds: float) -> list[Message]:
        """What has arrived, in order; waits `quiet_seconds` for the first message."""
        if not self._arrived:
            self._signal.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(quiet_seconds):
                    await self._signal.wait()
        batch: list[Message] = []
        while self._arrived and len(batch) < BATCH_MESSAGES_MAX:
            message = self._arrived.popleft()
            status = (message.headers or {}).get(api.Header.STATUS)
            if status is None:
                self._left -= 1
                batch.append(_message(message))
            else:
                self._heed(status, message)
        await self._keep_going()
        return batch

    async def close(self) -> None:
        """Leave; a consumer that cannot be told so now is forgotten by the server in time."""
        with suppress(nats.errors.Error):
            if self._inbox is not None:
                await self._inbox.unsubscribe()
            if self._nats.is_connected:
                await self._nats.publish(f"$JS.API.CONSUMER.DELETE.{STREAM}.{self._name}")

    async def _take(self, message: Msg) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        self._arrived.append(message)
        self._signal.set()

    def _heed(self, status: str, message: Msg) -> None:
        said = (message.headers or {}).get(api.Header.DESCRIPTION, "")
        if status == api.StatusCode.CONTROL_MESSAGE:
            return
        if status == api.StatusCode.REQUEST_TIMEOUT or said.startswith(_GOES_ON):
            self._left = 0
        else:
            self.dead = f"{status} {said}"

    async def _keep_going(self) -> None:
        silence = asyncio.get_running_loop().time() - self._heard_at
        if not self._nats.is_connected:
            self.dead = "disconnected"
        elif silence > SILENCE_SECONDS_MAX and not self._arrived:
            self.dead = f"silent for {silence:.1f} s"
        elif self._left <= 0 and not self.dead:
            await self._pull()

    async def _pull(self) -> None:
        request = {
            "batch": BATCH_MESSAGES_MAX,
            "max_bytes": BATCH_BYTES_MAX,
            "expires": int(PULL_SECONDS * 1e9),
            "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
        }
        assert self._inbox is not None
        self._left = BATCH_MESSAGES_MAX
        self._heard_at = asyncio.get_running_loop().time()
        try:
            await self._nats.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._name}",
                json.dumps(request).encode(),
                reply=self._inbox.subject,
            )
        except nats.errors.Error as error:
            self.dead = str(error)


def _message(message: Msg) -> Message:
    return Message(
        position=message.metadata.sequence.stream,
        subject=message.subject,
        headers=message.headers or {},
        data=message.data,
    )
