"""Honest clients: they keep what they were told, and call unknown what nobody told them."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid5

from aigestion.commands.conversation.change_conversation import ChangeConversation
from aigestion.commands.conversation.post_interaction import Chat, PostInteraction
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.commands.dispatcher import Happened
from aigestion.commands.run.cancel_run import CancelRun
from aigestion.commands.run.state import Origin
from aigestion.kernel.context import Context, Request, requested
from aigestion.kernel.errors import AIGestionError, NotFound, Refused, Unavailable
from aigestion.kernel.ids import derived_id
from tests.simulation.program import TENANT
from tests.simulation.world import Process, World

CLIENTS = 3
CONVERSATIONS = [uuid5(UUID(int=0), f"conversation {n}") for n in range(2)]
AGENT = "assistant"
ANSWER_SECONDS_MAX = 12.0
TRIES_MAX = 12

Fate = Literal["acknowledged", "refused", "not recorded", "unknown"]


@dataclass
class Sent:
    """One command with a marker that finds it in the log, and what its client knows of it."""

    marker: str
    has_key: bool
    fate: Fate = "unknown"
    position: int | None = None
    event_id: UUID | None = None


@dataclass
class Clients:
    """All commands of a schedule."""

    world: World
    bursts: int
    with_changes: bool = True
    sent: list[Sent] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    """Answers that no honest caller of a healthy or broken system should get."""

    async def run(self) -> None:
        """Every client says its part; returns when all have their answers or gave up."""
        async with asyncio.TaskGroup() as group:
            for n in range(CLIENTS):
                group.create_task(self._client(n))

    async def _client(self, n: int) -> None:
        chance = self.world.chance
        conversation = CONVERSATIONS[n % len(CONVERSATIONS)]
        await self._until_taken(
            StartConversation(conversation_id=conversation, user_id="ana", agent=AGENT)
        )
        for _ in range(self.bursts):
            await asyncio.sleep(chance.random() * 1.2)
            count = chance.choice((1, 1, 2, 4))
            await asyncio.gather(*(self._one(conversation) for _ in range(count)))

    async def _one(self, conversation: UUID) -> None:
        chance = self.world.chance
        kind = chance.random() if self.with_changes else 1.0
        if kind < 0.2:
            await self._attempt(
                ChangeConversation(conversation_id=conversation, archived=kind < 0.08), ana(None)
            )
            return
        sent = Sent(f"m{len(self.sent)}", has_key=chance.random() < 0.5)
        self.sent.append(sent)
        command: Any = PostInteraction(conversation_id=conversation, what=Chat(sent.marker))
        if kind < 0.3:
            command = ChangeConversation(conversation_id=conversation, title=sent.marker)
        if not sent.has_key:
            await self._judge(sent, command, ana(None))
            return
        context = ana(Request(sent.marker, sent.marker.encode()))
        stopping = self.world.of("agents") and kind >= 0.3 and chance.random() < 0.2
        again = chance.random() < 0.2  # an impatient client: the same request twice at once
        await asyncio.gather(
            *(self._insist(sent, command, context) for _ in range(2 if again else 1))
        )

        if stopping and sent.event_id is not None:
            await self._stop(conversation, sent.event_id)

    async def _stop(self, conversation: UUID, event_id: UUID) -> None:
        """Somebody does not want the answer any more; whether it comes in time is another matter."""
        await asyncio.sleep(self.world.chance.random())
        run_id = derived_id(event_id, AGENT)
        await self._attempt(CancelRun(run_id=run_id, heard=Origin(conversation, AGENT)), ana(None))

    async def _insist(self, sent: Sent, command: Any, context: Context) -> None:
        for _ in range(TRIES_MAX):
            if await self._judge(sent, command, context) in ("acknowledged", "refused"):
                return
            await asyncio.sleep(self.world.chance.random())

    async def _judge(self, sent: Sent, command: Any, context: Context) -> Fate:
        fate, happened = await self._attempt(command, context)
        position = None if happened is None else happened.position
        sent.event_id = sent.event_id or (happened and happened.id)
        if sent.fate == "acknowledged":
            if fate == "acknowledged" and position != sent.position:
                self.surprises.append(f"{sent.marker} was at {sent.position}, then at {position}")
            return fate
        if fate == "acknowledged" or sent.fate != "refused":
            # A refusal says nothing of the same request that is under way beside it.
            was_unknown = sent.has_key and fate != "acknowledged"
            sent.fate, sent.position = ("unknown" if was_unknown else fate), position
        return fate

    async def _until_taken(self, command: Any) -> None:
        while (await self._attempt(command, ana(None)))[0] != "acknowledged":
            await asyncio.sleep(0.3)

    async def _attempt(self, command: Any, context: Context) -> tuple[Fate, Happened | None]:
        try:
            outcome = await asked(self.world, command, context)
        except (Refused, NotFound):
            return "refused", None
        except Unavailable as error:
            return "not recorded" if "nothing was recorded" in str(error) else "unknown", None
        except ConnectionRefusedError:
            return "not recorded", None
        except (OSError, TimeoutError):
            return "unknown", None
        except AIGestionError as error:
            self.surprises.append(f"{command} was answered {error!r}")
            return "unknown", None
        return "acknowledged", outcome.events[-1] if outcome.events else None


def ana(request: Request | None) -> Context:
    if request is None:
        return Context(tenant=TENANT, actor="user:ana", correlation_id=UUID(int=1))
    return requested(TENANT, "user:ana", request)


async def asked(world: World, command: Any, context: Context) -> Any:
    """One request to one of the API's processes."""
    process: Process = world.chance.choice(world.of("api"))
    await asyncio.sleep(world.chance.uniform(0.0005, 0.002))
    life = process.life
    if not life.alive:
        raise ConnectionRefusedError
    answer: asyncio.Future[Any] = world.loop.create_future()
    process.calls.append(answer)
    program = process.program

    async def answered() -> None:
        try:
            result = await program.dispatch(command, context)
        except Exception as error:
            if not answer.done():
                answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(result)

    life.context.run(world.loop.create_task, answered())
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await answer
    finally:
        if answer in process.calls:
            process.calls.remove(answer)
