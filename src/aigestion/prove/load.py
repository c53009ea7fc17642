"""Clients as they should be: one key a command, sent again until it is answered, or given up as unknown."""

import asyncio
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx2

from aigestion.prove.history import Hang, History, Leak, Operation, Read

MARKER = re.compile(r"mark-[0-9a-f]{12}-\d{8}")
GIVE_UP_SECONDS = 45.0
ANSWER_SECONDS_MAX = 10.0
"""Whatever happens to the system: an answer, if only that there is none, comes within this time."""
PAUSE_SECONDS = 0.1
THINK_SECONDS_MAX = 0.04
CONVERSATIONS_OF_CLIENT = 4
CHATS, READS = 0.12, 0.08
"""The share of commands that make an agent answer, and that are read again at once."""


class Tenant:
    """Whose commands; `canary` stands in everything it says."""

    def __init__(self, name: str, key: str, canary: str) -> None:
        self.name = name
        self.key = key
        self.canary = canary


class Client:
    """One caller with a few conversations, one command at a time."""

    def __init__(
        self,
        number: int,
        seed: str,
        tenant: Tenant,
        others: Sequence[Tenant],
        urls: Sequence[str],
        history: History,
    ) -> None:
        self._number = number
        self._rng = random.Random(seed)  # noqa: S311
        self._tenant = tenant
        self._others = others
        self._urls = urls
        self._history = history
        self._turn = number
        self._commands = 0
        self._conversations: list[str] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Send commands until told to stop; the one under way is still sent to its end."""
        headers = {"Authorization": f"Bearer {self._tenant.key}"}
        async with httpx2.AsyncClient(headers=headers, timeout=ANSWER_SECONDS_MAX) as http:
            while not stop.is_set():
                operation, body = self._next()
                await self._send(http, operation, body)
                if operation.outcome == "acked" and self._rng.random() < READS:
                    await self._read_back(http, operation)
                await asyncio.sleep(self._rng.uniform(0, THINK_SECONDS_MAX))

    async def say_one_thing(self) -> None:
        """Start one conversation, and be gone."""
        headers = {"Authorization": f"Bearer {self._tenant.key}"}
        async with httpx2.AsyncClient(headers=headers, timeout=ANSWER_SECONDS_MAX) as http:
            operation, body = self._next()
            await self._send(http, operation, body)

    def _next(self) -> tuple[Operation, dict[str, Any]]:
        self._commands += 1
        marker = f"mark-{self._tenant.canary}-{self._number:02d}{self._commands:06d}"
        conversation = None
        kind = "start"
        body: dict[str, Any] = {"title": f"Talk {marker}"}
        if len(self._conversations) >= CONVERSATIONS_OF_CLIENT and self._rng.random() > 0.01:
            conversation = self._rng.choice(self._conversations)
            kind = "chat" if self._rng.random() < CHATS else "action"
            body = {"type": "user.action"} | {
                "payload": {"name": "clicked", "properties": {"marker": marker}}
            }
            if kind == "chat":
                body = {"type": "user.chat", "payload": {"text": f"Please repeat {marker}"}}
        operation = Operation(
            client=self._number,
            tenant=self._tenant.name,
            kind=kind,  # type: ignore[arg-type]
            key=str(UUID(int=self._rng.getrandbits(128), version=4)),
            marker=marker,
            conversation=conversation,
            sent_at=self._history.now(),
        )
        return operation, body

    async def _send(
        self, http: httpx2.AsyncClient, operation: Operation, body: Mapping[str, Any]
    ) -> None:
        self._history.operations.append(operation)
        path = "/v1/conversations"
        if operation.conversation is not None:
            path += f"/{operation.conversation}/interactions"
        headers = {"Idempotency-Key": operation.key}
        while self._history.now() < operation.sent_at + GIVE_UP_SECONDS:
            operation.tries += 1
            answer = await self._ask(http, "POST", path, json=body, headers=headers)
            operation.status = answer.status_code if answer is not None else 0
            if answer is None or answer.status_code >= 500 or answer.status_code == 429:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            operation.answered_at = self._history.now()
            operation.outcome = "acked" if answer.is_success else "refused"
            if answer.is_success:
                told = answer.json()
                operation.position = told["position"]
                operation.event_id = told.get("event_id")
                if operation.kind == "start":
                    operation.conversation = told["conversation_id"]
                    self._conversations.append(told["conversation_id"])
                    del self._conversations[:-CONVERSATIONS_OF_CLIENT]
            break
        self._history.write("operation", operation)

    async def _read_back(self, http: httpx2.AsyncClient, operation: Operation) -> None:
        """The conversation as of the command just answered, from whichever process; none in time is no error."""
        assert operation.position is not None
        assert operation.conversation is not None
        path = f"/v1/conversations/{operation.conversation}?min_position={operation.position}"
        until = self._history.now() + GIVE_UP_SECONDS
        while self._history.now() < until:
            answer = await self._ask(http, "GET", path)
            if answer is None or answer.status_code >= 500 or answer.status_code == 429:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            told = answer.json() if answer.is_success else {"messages": []}
            read = Read(
                tenant=operation.tenant,
                conversation=operation.conversation,
                min_position=operation.position,
                expected=operation.marker,
                at=self._history.now(),
                view_position=int(answer.headers.get("aigestion-position", 0)),
                shown=[(one["position"], one["id"], one["text"]) for one in told["messages"]],
                found=operation.marker in answer.text,
            )
            self._history.reads.append(read)
            self._history.write("read", read)
            return

    async def _ask(
        self, http: httpx2.AsyncClient, method: str, path: str, **options: Any
    ) -> httpx2.Response | None:
        """The answer of the next process; None if none came."""
        self._turn += 1
        url = self._urls[self._turn % len(self._urls)]
        asked_at = self._history.now()
        try:
            answer = await http.request(method, url + path, **options)
        except httpx2.TimeoutException:
            hang = Hang(request=f"{method} {url}{path}", at=asked_at)
            self._history.hangs.append(hang)
            self._history.write("hang", hang)
            return None
        except httpx2.HTTPError:
            return None
        self._history.answered_after(self._history.now() - asked_at)
        if any(other.canary in answer.text for other in self._others):
            leak = Leak(
                tenant=self._tenant.name, request=f"{method} {path}", at=self._history.now()
            )
            self._history.leaks.append(leak)
            self._history.write("leak", leak)
        return answer
