"""One side of a conversation over HTTP: say something, hear the reply as it is written."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec

from aigestion.client.http import Api, BrokenOff
from aigestion.kernel.errors import Unavailable

CONNECTIONS_MAX = 8
"""How often one reply's stream may be opened anew."""
PAUSE_SECONDS = 0.5

_ENDS = {"agent.replied": "final", "run.failed": "failed", "run.cancelled": "cancelled"}
"""How a run ended, by the type of its last event."""

Write = Callable[[str], None]


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the agent's run ended."""

    conversation_id: str
    event_id: str
    """Of what the user said."""
    run_id: str
    position: int
    state: str
    """`final`, `failed` or `cancelled`."""
    text: str
    citations: list[dict[str, Any]] = []
    notice: str | None = None
    """What to tell the user of a run that failed."""
    reason: str | None = None


class Dialogue:
    """A conversation and the position up to which it was heard."""

    def __init__(self, api: Api, conversation_id: str, position: int) -> None:
        self.conversation_id = conversation_id
        self._api = api
        self._position = position

    @classmethod
    async def start(cls, api: Api) -> "Dialogue":
        started = await api.post("/v1/conversations", {}, idempotency_key=uuid4().hex)
        return cls(api, started["conversation_id"], started["position"])

    @classmethod
    async def resume(cls, api: Api, conversation_id: str) -> "Dialogue":
        """Go on with a conversation; `Answered` if there is none."""
        return cls(api, conversation_id, await api.position(f"/v1/conversations/{conversation_id}"))

    async def say(self, text: str, write: Write) -> Reply:
        """Say it, `write` the pieces of the reply as they come, and return the recorded reply.

        A lost connection is taken up again behind the last event; what was said is said once.
        """
        listener: _Listener | None = None
        said = {"type": "user.chat", "payload": {"text": text}}
        key = uuid4().hex
        stream = f"/v1/conversations/{self.conversation_id}/stream"
        interactions = f"/v1/conversations/{self.conversation_id}/interactions"
        for _ in range(CONNECTIONS_MAX):
            try:
                async with self._api.listening(stream, after=self._position) as events:
                    if listener is None:
                        posted = await self._api.post(interactions, said, idempotency_key=key)
                        listener = _Listener(self.conversation_id, posted["event_id"], write)
                    async for event in events:
                        if event.event != "delta" and event.id:
                            self._position = int(event.id)
                        if (reply := listener.hear(event)) is not None:
                            return reply
            except BrokenOff as error:
                broken = error
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                broken = BrokenOff("The stream ended before the reply did.")
        raise Unavailable(
            f"{broken.message} The reply will be in the conversation {self.conversation_id}."
        ) from broken


class _Listener:
    """Picks the pieces and the end of one run out of a conversation's stream."""

    def __init__(self, conversation_id: str, event_id: str, write: Write) -> None:
        self._conversation_id = conversation_id
        self._event_id = event_id
        self._write = write
        self._run_id: str | None = None
        self._pieces: list[tuple[str, str]] = []
        """Of runs not yet known: another message of the conversation may be answered meanwhile."""

    def hear(self, event: Any) -> Reply | None:
        """The reply, if this was its event."""
        if event.event == "delta":
            piece = json.loads(event.data)
            self._pieces.append((piece["run_id"], piece["text"]))
            self._flush()
            return None
        recorded = json.loads(event.data)
        data = recorded["data"]
        if data.get("in_reply_to") != self._event_id:
            return None
        self._run_id = data["run_id"]
        self._flush()
        state = _ENDS.get(recorded["type"])
        if state is None:
            return None
        return Reply(
            conversation_id=self._conversation_id,
            event_id=self._event_id,
            run_id=data["run_id"],
            position=recorded["position"],
            state=state,
            text=data.get("text", ""),
            citations=data.get("citations", []),
            notice=data.get("message"),
            reason=data.get("reason"),
        )

    def _flush(self) -> None:
        if self._run_id is None:
            return
        for run_id, text in self._pieces:
            if run_id == self._run_id:
                self._write(text)
        self._pieces.clear()
