"""What the simulation found, kept as schedules that are written by hand."""

import asyncio
from typing import Any
from uuid import UUID

from aigestion.commands.conversation.change_conversation import ChangeConversation
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.kernel.errors import Unavailable
from tests.simulation.clients import AGENT, ana, asked
from tests.simulation.postgres import Backend
from tests.simulation.program import Api
from tests.simulation.world import World

CONVERSATION = UUID(int=7)
LATER_SECONDS = 30.0


def test_a_database_that_falls_silent_again_does_not_hold_up_the_appender() -> None:
    """An append breaks off; the connection that asks what became of it opens, and answers nothing."""
    answers: list[Any] = []

    async def story(world: World) -> None:
        database = world.database
        start = StartConversation(conversation_id=CONVERSATION, user_id="ana", agent=AGENT)
        await asked(world, start, ana(None))
        admit = database.admit

        def admit_in_silence(session: Any) -> Backend:
            backend = admit(session)
            database.silence(backend)
            return backend

        database.admit = admit_in_silence  # type: ignore[method-assign]
        for backend in list(database.backends.values()):
            database.break_off(backend)
        lost = asyncio.create_task(_rename(world, "lost"))
        await asyncio.sleep(1)
        database.admit = admit  # type: ignore[method-assign]
        await asyncio.sleep(LATER_SECONDS)
        answers.extend([await lost, await _rename(world, "later")])

    world = World(0, {"api-1": Api})
    world.run(story)

    assert world.failures == []
    assert answers == ["unknown", "taken"]


async def _rename(world: World, title: str) -> str:
    command = ChangeConversation(conversation_id=CONVERSATION, title=title)
    try:
        await asked(world, command, ana(None))
    except Unavailable:
        return "unknown"
    except TimeoutError:
        return "nobody answers"
    return "taken"
