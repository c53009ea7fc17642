"""The whole API over a log in memory, asked without a socket."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar.testing import AsyncTestClient

from aigestion.api.app import create_app
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.kernel.ids import new_id
from tests.support.api_fakes import World

Client = AsyncTestClient[Any]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """Asks with the key of the tenant `demo`."""
    async with AsyncTestClient(create_app(world.doors), raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {world.demo.key}"
        yield client


@pytest.fixture
async def conversation(world: World) -> str:
    """The id of a conversation of `demo`."""
    (started,) = await world.happen(
        StartConversation(conversation_id=new_id(), user_id="ana", agent="assistant")
    )
    return str(started.data.conversation_id)


def fields(answer: httpx.Response) -> list[str]:
    """The bad fields an answer names."""
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "invalid-input"
    return [error["field"] for error in answer.json()["errors"]]
