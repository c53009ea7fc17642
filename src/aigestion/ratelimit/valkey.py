"""A rate limiter in Valkey: one for all processes, each decision one run of one script."""

import asyncio
import hashlib
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from aigestion.kernel.errors import Unavailable
from aigestion.ratelimit.port import Decision, Standing, Window, check, decided, length_ms
from aigestion.valkey.breaker import Breaker
from aigestion.valkey.client import breaker as new_breaker

if TYPE_CHECKING:
    from valkey.asyncio import Valkey
    from valkey.asyncio.connection import AbstractConnection

DECISIONS_A_TRIP_MAX = 128

Call: TypeAlias = tuple[str | int, ...]
"""What follows `EVALSHA <script>`: the number of keys, the keys, the arguments."""


@cache
def sliding_window() -> str:
    """The script's text."""
    return (Path(__file__).parent / "sliding_window.lua").read_text()


class ValkeyRateLimiter:
    """A `RateLimiter`. Whoever asks while the server is being asked shares the next trip to it.

    Keys are `<namespace>:limit:{<group>}:<window>`: the braces keep a group in one slot of a cluster.
    """

    def __init__(
        self,
        client: "Valkey",
        *,
        namespace: str,
        breaker: Breaker | None = None,
        script: str | None = None,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._breaker = breaker or new_breaker()
        self._script = script or sliding_window()
        self._sha = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._waiting: list[tuple[Call, asyncio.Future[list[int] | None]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._connection: AbstractConnection | None = None

    async def decide(self, group: str, windows: Sequence[Window], cost: int = 1) -> Decision:
        """See the port."""
        check(windows, cost)
        if self._breaker.open:
            raise self._breaker.refusal()
        answer: asyncio.Future[list[int] | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._call(group, windows, cost), answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all(), name="rate limiter")
        figures = await answer
        if figures is None:
            raise self._breaker.refusal()
        standings = [Standing(*figures[at : at + 3]) for at in range(1, len(figures), 3)]
        return decided(bool(figures[0]), windows, standings)

    def _call(self, group: str, windows: Sequence[Window], cost: int) -> Call:
        prefix = f"{self._namespace}:limit:{{{quote(group, safe=':')}}}:"
        keys = [prefix + window.name for window in windows]
        bounds = [figure for window in windows for figure in (window.limit, length_ms(window))]
        return len(keys), *keys, cost, *bounds

    async def _ask_all(self) -> None:
        """Trip after trip, until nobody waits."""
        try:
            while self._waiting:
                trip = self._waiting[:DECISIONS_A_TRIP_MAX]
                del self._waiting[:DECISIONS_A_TRIP_MAX]
                answers: Sequence[list[int] | None] = [None] * len(trip)
                try:
                    calls = [call for call, _ in trip]
                    answers = await self._breaker.call(partial(self._ask, calls))
                except Unavailable:
                    pass
                finally:
                    for (_, waiting), answer in zip(trip, answers, strict=True):
                        if not waiting.done():
                            waiting.set_result(answer)
        finally:
            self._asking = None

    async def _ask(self, calls: Sequence[Call]) -> list[list[int]]:
        from valkey.exceptions import ConnectionError, NoScriptError

        commands = [("EVALSHA", self._sha, *call) for call in calls]
        try:
            replies = await self._exchange(commands)
        except ConnectionError:
            # A server may close what was idle. Asking again may charge twice, never too little.
            replies = await self._exchange(commands)
        if any(isinstance(reply, NoScriptError) for reply in replies):  # then it was none of them
            _, *replies = await self._exchange([("SCRIPT LOAD", self._script), *commands])
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def _exchange(self, commands: Sequence[tuple[str | int, ...]]) -> list[Any]:
        """Send commands, and read what is said to each; errors are among the replies."""
        from valkey.exceptions import ResponseError

        if self._connection is None:  # one of the pool's, kept: the pool closes it in the end
            pool = self._client.connection_pool
            self._connection = await pool.get_connection("EVALSHA")  # type: ignore[no-untyped-call]
        connection, replies = self._connection, list[Any]()
        await connection.send_packed_command(connection.pack_commands(commands))
        for _ in commands:
            try:
                replies.append(await connection.read_response())
            except ResponseError as error:
                replies.append(error)
        return replies
