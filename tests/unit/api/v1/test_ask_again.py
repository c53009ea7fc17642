"""Asking again over HTTP: which message, and how it is answered."""

from typing import Any
from uuid import UUID

import pytest

from aigestion.commands.conversation.change_conversation import ChangeConversation
from aigestion.events.conversation import UserAskedAgain
from aigestion.kernel.ids import new_id
from aigestion.queries.conversations import Message
from tests.support.api_fakes import NOW, World
from tests.unit.api.conftest import Client

EVENT_ID = UUID("0199aa10-7c1e-7b1a-9d2c-0f4b1c2d3e4f")


def message(kind: Any) -> Message:
    return Message(
        id=EVENT_ID, role="user", kind=kind, text="Is it?", name=None, properties=None,
        citations=[], state="final", notice=None, in_reply_to=None, run_id=None, position=1,
        occurred_at=NOW,
    )  # fmt: skip


@pytest.fixture
def path(world: World, conversation: str) -> str:
    """Of a message that is in the conversation."""
    world.conversations.messages["demo", UUID(conversation), EVENT_ID] = message("chat")
    return f"/v1/conversations/{conversation}/interactions/{EVENT_ID}/retry"


async def test_asking_again_is_recorded_once_a_request(
    world: World, client: Client, path: str
) -> None:
    key = {"Idempotency-Key": "again"}

    first = await client.post(path, headers=key)
    same = await client.post(path, headers=key)
    another = await client.post(path)

    asked = (await world.log.read())[1]
    assert isinstance(asked.data, UserAskedAgain)
    assert (asked.data.event_id, asked.data.event_position) == (EVENT_ID, 1)
    assert (first.status_code, first.json()) == (202, {"event_id": str(asked.id), "position": 2})
    assert same.content == first.content
    assert another.json()["position"] == 3


async def test_a_message_of_nobody_or_of_another_tenant_is_404(
    world: World, client: Client, path: str
) -> None:
    other = {"Authorization": f"Bearer {world.keys.issue('acme').key}"}

    foreign = await client.post(path, headers=other)
    unknown = await client.post(path.replace(str(EVENT_ID), str(new_id())))

    for answer in (foreign, unknown):
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert await world.log.head() == 1


@pytest.mark.parametrize(("kind", "status"), [("action", 409), ("reply", 404)])
async def test_only_what_a_user_said_is_asked_again(
    world: World, client: Client, conversation: str, path: str, kind: str, status: int
) -> None:
    world.conversations.messages["demo", UUID(conversation), EVENT_ID] = message(kind)

    assert (await client.post(path)).status_code == status
    assert await world.log.head() == 1


async def test_nothing_is_asked_again_in_the_archive(
    world: World, client: Client, conversation: str, path: str
) -> None:
    await world.happen(ChangeConversation(conversation_id=UUID(conversation), archived=True))

    answer = await client.post(path)

    assert (answer.status_code, answer.json()["code"]) == (409, "conversation-archived")
