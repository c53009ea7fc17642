"""Making up for cancellations that a library swallows."""

import asyncio


def heed_cancellation() -> None:
    """Raise `CancelledError` if the present task was told to stop; loops call it once a round.

    `asyncio.wait_for` before Python 3.12 forgets a cancellation that comes together with its
    result, and the NATS client catches some: without this a loop would go on, and a shutdown wait
    for it in vain.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
