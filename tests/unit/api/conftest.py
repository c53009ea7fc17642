"""The whole API over a log in memory, asked without a socket."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from litestar import Litestar

from aigestion.api.app import create_app
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.kernel.ids import new_id
from tests.support.api import Client, asking
from tests.support.api_fakes import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def app(world: World) -> Litestar:
    return create_app(world.doors)


@pytest.fixture
async def client(world: World, app: Litestar) -> AsyncIterator[Client]:
    """Asks with the key of the tenant `demo`."""
    async with asking(app, world.demo.key) as client:
        yield client


@pytest.fixture
async def conversation(world: World) -> str:
    """The id of a conversation of `demo`."""
    (started,) = await world.happen(
        StartConversation(conversation_id=new_id(), user_id="ana", agent="assistant")
    )
    return str(started.data.conversation_id)


def fields(answer: httpx2.Response) -> list[str]:
    """The bad fields an answer names."""
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "invalid-input"
    return [error["field"] for error in answer.json()["errors"]]
