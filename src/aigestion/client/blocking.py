"""The client for programs without an event loop: `AsyncClient`, a step at a time."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any, Self, TypeVar

from aigestion.client.answers import Event, Hit
from aigestion.client.asynchronous import ATTEMPTS_MAX, PAGE_HITS, AsyncClient
from aigestion.client.dialogue import Reply

T = TypeVar("T")


class Client:
    """As `AsyncClient`; for one thread at a time, and none that runs an event loop."""

    def __init__(
        self, url: str, key: str, *, user: str | None = None, attempts_max: int = ATTEMPTS_MAX
    ) -> None:
        """`user`: for whom of the tenant's users this client speaks."""
        self._loop = asyncio.Runner()
        self._client = AsyncClient(url, key, user=user, attempts_max=attempts_max)
        self._open: list[AsyncGenerator[Any, None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Also ends what is still being iterated."""
        while self._open:
            self._loop.run(self._open.pop().aclose())
        self._loop.run(self._client.close())
        self._loop.close()

    def ask(self, text: str, *, conversation: str | None = None) -> Reply:
        """Say something, in a new conversation if none is given, and wait for the recorded reply."""
        return self._loop.run(self._client.ask(text, conversation=conversation))

    def stream(self, text: str, *, conversation: str | None = None) -> Iterator[str | Reply]:
        """The pieces of the reply as they are written; the recorded reply is the last."""
        return self._stepped(self._client.stream(text, conversation=conversation))

    def search(self, words: str, *, limit: int = PAGE_HITS, **filters: Any) -> list[Hit]:
        """The best hits first. `filters`: `kind`, `conversation_id`, `min_position`."""
        return self._loop.run(self._client.search(words, limit=limit, **filters))

    def events(
        self, *, after: int = 0, types: Sequence[str] = (), tag: str | None = None
    ) -> Iterator[Event]:
        """What the log has of the tenant, later than `after`, up to its end."""
        return self._stepped(self._client.events(after=after, types=types, tag=tag))

    def follow(self, *, after: int = 0, types: Sequence[str] = ()) -> Iterator[Event]:
        """The tenant's events as they are recorded, for ever, each once."""
        return self._stepped(self._client.follow(after=after, types=types))

    def _stepped(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        async def step() -> T:
            return await anext(items)

        self._open.append(items)
        try:
            while items in self._open:
                try:
                    yield self._loop.run(step())
                except StopAsyncIteration:
                    return
        finally:
            if items in self._open:
                self._open.remove(items)
                self._loop.run(items.aclose())
