"""A tenant's events from any position on: from the broker, and from the feed what it no longer holds."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from nats.aio.client import Client

from aigestion.client.feed import Feed
from aigestion.events.recorded import Recorded
from aigestion.kernel.errors import Unavailable
from aigestion.messaging.cloudevents import DATAREF, recorded_of
from aigestion.messaging.credential import Credential
from aigestion.messaging.ordered_consumer import QUIET_SECONDS, Consumer, opened
from aigestion.messaging.port import Message
from aigestion.messaging.subjects import event_subject

FRESH_SECONDS = 0.2
"""A reader that was busy for longer looks again whether the broker still holds what follows."""


async def subscribe(
    broker: Client, credential: Credential, *, http_url: str, key: str, after: int = 0
) -> AsyncIterator[Recorded[Any]]:
    """What `credential` may read, later than position `after`, in order, each event once; never ends.

    The events' `data` are plain values. `broker` is connected as the credential says
    (`nkeys_seed_str=credential.seed`, `inbox_prefix=credential.inbox_prefix`); `key` is an API key of
    the same tenant. Outages of either are waited for. Keep the position of what was handled, and start
    behind it the next time. Raises `Unavailable` once `broker` is closed, and what `Feed.page` raises.
    """
    is_meant = _matching(credential.subject)
    seen: int | None = None
    """The position of the event that was read last, as long as nothing else was passed."""
    async with Feed(http_url, key, credential.tenant) as feed:
        while not broker.is_closed:
            # It begins with the event seen last: if the broker still brings that, nothing behind it is gone.
            consumer = await opened(_consumer(broker, credential), max(after - 1, 0))
            if consumer is None:
                await asyncio.sleep(QUIET_SECONDS)
                continue
            try:
                batch = await consumer.next(QUIET_SECONDS)
                aged_out = seen is not None and not (batch and batch[0].position == seen)
                if aged_out or consumer.begins > after + 1:
                    page = None
                    while page is None or page.is_full:
                        page = await feed.page(after)
                        for event in filter(is_meant, page.items):
                            yield event
                        after, seen = page.next_after, None
                    continue
                async for message in _while_fresh(consumer, batch):
                    if message.position > after:
                        yield await _event(message, feed)
                        after = seen = message.position
            finally:
                await consumer.close()
    raise Unavailable("The connection to the broker is closed.", engine="nats")


async def _while_fresh(consumer: Consumer, batch: list[Message]) -> AsyncIterator[Message]:
    """What a consumer brings, until it is dead or its reader was away so long that something may be."""
    while True:
        had_at = _now()
        for message in batch:
            yield message
        if consumer.dead or _now() - had_at > FRESH_SECONDS:
            return
        batch = await consumer.next(QUIET_SECONDS)


def _matching(subject: str) -> Callable[[Recorded[Any]], bool]:
    """Whether the broker would bring an event to a consumer with this filter."""
    pattern = re.compile(re.escape(subject).replace(r"\*", "[^.]+").replace(">", ".+"))
    return lambda event: pattern.fullmatch(event_subject(event.tenant, event.type)) is not None


async def _event(message: Message, feed: Feed) -> Recorded[Any]:
    if DATAREF in message.headers:
        (event,) = (await feed.page(message.position - 1, limit=1)).items
        return event
    return recorded_of(message, msgspec.json.decode(message.data))


def _consumer(broker: Client, credential: Credential) -> Consumer:
    return Consumer(broker, name=credential.consumer, filter_subject=credential.subject)


def _now() -> float:
    return asyncio.get_running_loop().time()
