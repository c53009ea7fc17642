"""The client for programs with an event loop."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Self

import msgspec

from aigestion.client.answers import Event, Hit
from aigestion.client.dialogue import Dialogue, Reply
from aigestion.client.http import PASSING, Answered, Api, BrokenOff

ATTEMPTS_MAX = 5
PAGE_EVENTS = 500
PAGE_HITS = 50
RECONNECT_SECONDS = 1.0


class AsyncClient:
    """Asks, streams, resumes, searches and reads events.

    Requests are sent again where the server is away for a moment, each with the same idempotency key.
    Raises `Answered` for a problem (its `code` says which), `BrokenOff` when nobody answers.
    """

    def __init__(
        self, url: str, key: str, *, user: str | None = None, attempts_max: int = ATTEMPTS_MAX
    ) -> None:
        """`user`: for whom of the tenant's users this client speaks."""
        self._api = Api(url, key, user=user, attempts_max=attempts_max)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._api.close()

    async def ask(self, text: str, *, conversation: str | None = None) -> Reply:
        """Say something, in a new conversation if none is given, and wait for the recorded reply."""
        return await (await self._dialogue(conversation)).say(text, _unheard)

    async def stream(
        self, text: str, *, conversation: str | None = None
    ) -> AsyncGenerator[str | Reply, None]:
        """The pieces of the reply as they are written; the recorded reply is the last.

        Where a connection was lost, pieces may be missing; the reply is whole.
        """
        pieces: asyncio.Queue[str] = asyncio.Queue()
        dialogue = await self._dialogue(conversation)
        saying = asyncio.create_task(dialogue.say(text, pieces.put_nowait))
        try:
            while not (saying.done() and pieces.empty()):
                next_piece = asyncio.create_task(pieces.get())
                await asyncio.wait({saying, next_piece}, return_when=asyncio.FIRST_COMPLETED)
                if next_piece.done():
                    yield next_piece.result()
                else:
                    next_piece.cancel()
            yield saying.result()
        finally:
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)

    async def search(self, words: str, *, limit: int = PAGE_HITS, **filters: Any) -> list[Hit]:
        """The best hits first. `filters`: `kind`, `conversation_id`, `min_position`."""
        page = await self._api.get("/v1/search", q=words, limit=limit, **filters)
        return msgspec.convert(page["items"], list[Hit])

    async def events(
        self, *, after: int = 0, types: Sequence[str] = (), tag: str | None = None
    ) -> AsyncGenerator[Event, None]:
        """What the log has of the tenant, later than `after`, up to its end."""
        asked: dict[str, Any] = {"type": list(types)} if types else {}
        if tag is not None:
            asked["tag"] = tag
        while True:
            page = await self._api.get("/v1/events", after=after, limit=PAGE_EVENTS, **asked)
            for item in page["items"]:
                yield msgspec.convert(item, Event)
            if len(page["items"]) < PAGE_EVENTS:
                return
            after = page["next_after"]

    async def follow(
        self, *, after: int = 0, types: Sequence[str] = ()
    ) -> AsyncGenerator[Event, None]:
        """The tenant's events as they are recorded, for ever, each once.

        A lost connection is taken up again behind the last event. Raises `Answered` for what another
        connection would not change, such as a key that was revoked.
        """
        query = "&".join(f"type={one}" for one in types)
        path = f"/v1/events/stream?{query}" if query else "/v1/events/stream"
        while True:
            try:
                async with self._api.listening(path, after=after) as events:
                    async for event in events:
                        if event.id:
                            found = msgspec.convert(json.loads(event.data), Event)
                            yield found
                            after = found.position
            except BrokenOff:
                pass
            except Answered as problem:
                if problem.status not in PASSING:
                    raise
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _dialogue(self, conversation: str | None) -> Dialogue:
        if conversation is None:
            return await Dialogue.start(self._api)
        return await Dialogue.resume(self._api, conversation)


def _unheard(_piece: str) -> None:
    """Who waits for the whole reply has no use for pieces."""
