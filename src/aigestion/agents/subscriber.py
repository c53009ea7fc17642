"""Hears `user.*` of every tenant through FastStream: the quick way to a reaction; the sweep is the sure one."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import nats.errors
import nats.js.errors
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from faststream.nats.security import NatsSecurity
from nats.js import JetStreamContext
from nats.js.api import AckPolicy as ServerAckPolicy
from nats.js.api import ConsumerConfig, DeliverPolicy

from aigestion.agents.reactions import REACTIONS_IN_PARALLEL_MAX, Reactions
from aigestion.kernel.cancellation import heed_cancellation
from aigestion.messaging.subjects import STREAM, heard_by_agents

DURABLE = "agents"
UNACKED_MAX = REACTIONS_IN_PARALLEL_MAX
"""Messages the broker hands out before it hears of the first; also how many are heard at once."""
ACK_WAIT_SECONDS = 30.0
BEAT_SECONDS = 10.0
"""How often the broker is told that a long reaction is still going on."""
DELIVERIES_MAX = 5
"""What is still not done then is left to the sweep."""
REDELIVERY_SECONDS = 5.0
FETCH_SECONDS = 1.0
WATCH_SECONDS = 2.0
STREAM_POLL_SECONDS = 0.2
STOP_SECONDS_MAX = 0.5

_BROKER_TROUBLE = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError)

_log = logging.getLogger(__name__)


class AgentSubscriber:
    """A durable pull consumer, shared by all processes that run agents."""

    def __init__(
        self, nats_url: str, reactions: Reactions, tls: ssl.SSLContext | None = None
    ) -> None:
        """`tls`: whom to trust, for a URL that begins with `tls://`."""
        self._nats_url = nats_url
        self._security = None if tls is None else NatsSecurity(ssl_context=tls)
        self._reactions = reactions

    async def run(self) -> None:
        """Hear until cancelled, through every outage of the broker."""
        while True:
            heed_cancellation()
            broker = self._subscribed_broker()
            try:
                await self._hear(broker)
            except _BROKER_TROUBLE as error:
                _log.warning("the broker cannot be heard: %s", error)
            finally:
                with suppress(*_BROKER_TROUBLE):
                    await asyncio.wait_for(broker.stop(), 2 * STOP_SECONDS_MAX)
            await asyncio.sleep(WATCH_SECONDS)

    async def _hear(self, broker: NatsBroker) -> None:
        connection = await broker.connect()
        stream = connection.jetstream()
        await _until_stream_exists(stream)
        await stream.add_consumer(STREAM, config=_consumer())
        await broker.start()
        while True:
            heed_cancellation()
            await asyncio.sleep(WATCH_SECONDS)
            # Gone, if somebody wiped the broker: raises, and all is built anew.
            await stream.consumer_info(STREAM, DURABLE)

    def _subscribed_broker(self) -> NatsBroker:
        broker = NatsBroker(
            self._nats_url,
            # FastStream's pull loop freezes the whole process once the client has given up for good.
            max_reconnect_attempts=-1,
            security=self._security,
            graceful_timeout=STOP_SECONDS_MAX,
            logger=None,
            apply_types=False,
        )
        subscriber = broker.subscriber(
            heard_by_agents(),
            stream=JStream(STREAM, declare=False),  # The relay makes it, and knows how.
            durable=DURABLE,
            config=_consumer(),
            pull_sub=PullSub(batch_size=UNACKED_MAX, timeout=FETCH_SECONDS),
            max_workers=UNACKED_MAX,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            decoder=_whole,
        )
        subscriber(self._on_message)
        return broker

    async def _on_message(self, message: NatsMessage) -> None:
        """The stream's sequence is the log's position (law 3); nothing else of the message is believed."""
        position = message.raw_message.metadata.sequence.stream
        reaction = self._reactions.begin(position)
        if reaction is None:
            await message.nack(delay=REDELIVERY_SECONDS)
            return
        async with _beating(message):
            # The reaction outlives this subscription: cancelling the one must not cancel the other.
            await asyncio.wait([reaction])
        if not reaction.cancelled() and reaction.result():
            await message.ack()
        else:
            await message.nack(delay=REDELIVERY_SECONDS)


def _consumer() -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=DURABLE,
        filter_subject=heard_by_agents(),
        # Older events are the sweep's: the stream may hold a week of them, all answered.
        deliver_policy=DeliverPolicy.NEW,
        ack_policy=ServerAckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT_SECONDS,
        max_deliver=DELIVERIES_MAX,
        max_ack_pending=UNACKED_MAX,
    )


async def _until_stream_exists(stream: JetStreamContext) -> None:
    while True:
        heed_cancellation()
        try:
            await stream.stream_info(STREAM)
            return
        except nats.js.errors.NotFoundError:
            await asyncio.sleep(STREAM_POLL_SECONDS)


async def _whole(message: NatsMessage) -> NatsMessage:
    """The handler gets the message itself: it needs its place in the stream, not its content."""
    return message


@asynccontextmanager
async def _beating(message: NatsMessage) -> AsyncIterator[None]:
    """Tell the broker again and again that the message is being worked on."""

    async def beat() -> None:
        while True:
            heed_cancellation()
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(*_BROKER_TROUBLE):
                await message.in_progress()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
