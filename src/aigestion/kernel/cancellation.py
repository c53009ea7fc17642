"""Cancellations: those a library swallows, and those that must wait until something is finished."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


def heed_cancellation() -> None:
    """Raise `CancelledError` if the present task was told to stop; loops call it once a round.

    `asyncio.wait_for` before Python 3.12 forgets a cancellation that comes together with its
    result, and the NATS client catches some: without this a loop would go on, and a shutdown wait
    for it in vain.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def finished(work: Awaitable[T]) -> T:
    """The result of some work. A caller that is cancelled still waits for the work to end.

    So an engine is never at work on something that nobody waits for.
    """
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # nobody else will ask for it
        raise
