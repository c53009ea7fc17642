"""Asks the broker whether it is there, over the connection that everything else of the process uses."""

import asyncio

from nats.aio.client import Client

ANSWER_SECONDS_MAX = 2.0
GIVE_UP_SECONDS = 30
"""Longer than the client keeps a connection that says nothing."""


class BrokerPulse:
    """One question at a time, whoever asks.

    A question is never taken back while its connection lives, not even if nobody asks any more: its answer would end
    the client's reading, with a traceback, and it hears nothing more until it finds that out by itself.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._question: asyncio.Task[None] | None = None
        self._asked_at = 0.0
        self._asked_as = 0

    @property
    def reconnects(self) -> int:
        """How often the client has lost its connection and found another."""
        return self._client.stats["reconnects"]

    async def ask(self) -> float:
        """Seconds there and back. Raises `ConnectionError`, `TimeoutError`, or an error of the client."""
        if not self._client.is_connected:
            raise ConnectionError("not connected")
        question = self._asked()
        answered, _ = await asyncio.wait({question}, timeout=ANSWER_SECONDS_MAX)
        if not answered:
            raise TimeoutError(f"no answer for {ANSWER_SECONDS_MAX:g} s")
        question.result()
        return asyncio.get_running_loop().time() - self._asked_at

    def _asked(self) -> asyncio.Task[None]:
        """The question under way on this connection, or a new one."""
        question = self._question
        if question is None or question.done() or self._asked_as != self.reconnects:
            self._asked_at = asyncio.get_running_loop().time()
            self._asked_as = self.reconnects
            question = self._question = asyncio.create_task(self._client.flush(GIVE_UP_SECONDS))
            question.add_done_callback(_heard)
        return question


def _heard(question: asyncio.Task[None]) -> None:
    """Its error is known, even if whoever asked has gone: the loop need not tell."""
    if not question.cancelled():
        question.exception()
