"""The garbage collector of a process that serves or fills: it looks at what work makes, not at the program."""

import asyncio
import gc
from itertools import count

from aigestion.kernel.cancellation import heed_cancellation

YOUNG_OBJECTS_MAX = 20_000
"""Where requests are answered: a collection of so many takes about a millisecond."""
YOUNG_OBJECTS_FILLING_MAX = 200_000
"""Where views are filled and nobody waits: their batches outlive many small collections."""
COLLECTED_SECONDS = 30.0
YOUNG_GENERATIONS = 1
"""Looked at each time."""
ALL_EACH = 10
"""Each so many times all of it is looked at, but for what the start has made. What ends after a long life, as a
connection to a broker that is started again, the collector itself leaves until it would be a quarter of all objects."""


def settle_garbage(young_objects_max: int = YOUNG_OBJECTS_MAX) -> None:
    """What the start has made stays: the collector need not walk it again.

    8 % more requests, and views are filled faster by a third.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(young_objects_max, 20, 50)


async def collect_garbage() -> None:
    """For ever, every half minute, what was made lately; every five minutes, whatever was made since the start.

    Counted alone, what quiet work leaves behind (a request of httpx, a wait that ended) would lie for hours.
    """
    for times in count(1):
        heed_cancellation()
        await asyncio.sleep(COLLECTED_SECONDS)
        gc.collect(YOUNG_GENERATIONS if times % ALL_EACH else 2)
