"""The pace of long work on a view: all of its process's time, or little of it while somebody asks queries there."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Container
from contextlib import aclosing

from aigestion.eventstore.reader import LogReader, Page

PAGE_EVENTS_MAX = 500
"""Few, so that they are still in the processor's cache when they are projected and packed."""
SHARED_PAGE_EVENTS_MAX = 50
"""The same beside queries: what is made of a page blocks the event loop."""

SHARE_BESIDE_QUERIES = 0.02
"""So few queries fall into a piece of the work that not even the slowest twentieth of them notices (measured)."""
QUIET_SECONDS = 30.0
"""Who has asked nothing for so long is gone; a person who reads and asks again is not."""
REST_SLEEP_SECONDS_MAX = 1.0


def _nobody() -> float:
    return -float("inf")


class Pace:
    """`asked_at`: when this process was asked a query last, on the monotonic clock; by default nobody asks."""

    def __init__(self, asked_at: Callable[[], float] = _nobody) -> None:
        self._asked_at = asked_at

    @property
    def is_shared(self) -> bool:
        """Whether queries are asked here: the work is then to be done in small pieces."""
        return time.monotonic() - self._asked_at() < QUIET_SECONDS

    async def rest(self, since: float) -> float:
        """Give others on the event loop a turn; while queries are asked, many times what was used `since` then.

        Returns when the rest was over. Both are of the monotonic clock.
        """
        used = time.monotonic() - since
        await asyncio.sleep(0)
        until = since + used / SHARE_BESIDE_QUERIES
        while self.is_shared and (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, REST_SLEEP_SECONDS_MAX))
        return time.monotonic()


ALONE = Pace()
"""Nobody asks queries of this process."""


async def paced_pages(
    reader: LogReader,
    after: int,
    types: Container[str] | None,
    pace: Pace,
    *,
    upto: int | None = None,
) -> AsyncGenerator[Page, None]:
    """`LogReader.pages` in the size that suits the pace, which may change, with a rest between one and the next."""
    since = time.monotonic()
    while True:
        is_shared = pace.is_shared
        events_max = SHARED_PAGE_EVENTS_MAX if is_shared else PAGE_EVENTS_MAX
        async with aclosing(reader.pages(after, events_max, types, upto=upto)) as pages:
            async for page in pages:
                yield page
                after = page.last
                if page.is_full:
                    since = await pace.rest(since)
                if pace.is_shared != is_shared:
                    break
            else:
                return
