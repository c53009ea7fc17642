"""A subscription on the wire: live, resumed without loss, ended with a code, left without a trace."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from aigestion.api.app import create_app
from aigestion.api.doors import Limits
from aigestion.api.server import serving
from aigestion.commands.conversation.post_interaction import Chat, PostInteraction
from aigestion.commands.directory.issue_key import RevokeKey
from aigestion.kernel.ids import new_id
from tests.integration.api.conftest import Wire
from tests.support.api import Client
from tests.support.installation import Installation
from tests.support.tasks import eventually, patience

QUERY = """
subscription ($id: UUID!, $after: Long! = 0) {
  live(conversationId: $id, after: $after) {
    event { position type data }
    piece { runId text }
  }
}
"""


class Follower:
    """A client of a subscription."""

    def __init__(self, wire: Wire, key: str) -> None:
        self._wire = wire
        self._key = key
        self._frames: list[str] = []
        self.head = ""

    async def follow(self, conversation: str, after: int = 0) -> "Follower":
        variables = {"id": conversation, "after": after}
        body = json.dumps({"query": QUERY, "variables": variables}).encode()
        self._reader, self._writer = await self._wire.connect()
        headers = {"Authorization": f"Bearer {self._key}", "Accept": "text/event-stream"}
        self._writer.write(self._wire.request("POST", "/graphql", body, **headers))
        self.head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        return self

    async def next(self) -> Any:
        """What the next answer brings."""
        while (found := await self.frame()).startswith(":"):
            pass
        event, data = found.split("\n")
        assert event == "event: next"
        answer = json.loads(data.removeprefix("data: "))
        return answer["data"]["live"] if "data" in answer else answer["errors"][0]["extensions"]

    async def position(self) -> int:
        """Of the next answer's event."""
        return int((await self.next())["event"]["position"])

    async def frame(self) -> str:
        """The next frame; empty at the end of the stream."""
        async with patience():
            if not self._frames:
                size = int(await self._reader.readline(), 16)
                chunk = await self._reader.readexactly(size)
                await self._reader.readline()
                self._frames += chunk.decode().removesuffix("\n\n").split("\n\n")
            return self._frames.pop(0)

    def leave(self) -> None:
        self._writer.close()


COMPLETE = "event: complete\ndata: "
END = ""


@pytest.fixture
async def wire(installation: Installation) -> AsyncIterator[Wire]:
    doors = dataclasses.replace(
        installation.doors, metrics=CollectorRegistry(), limits=Limits(heartbeat_seconds=0.2)
    )
    app = create_app(doors)
    async with serving(app, host="127.0.0.1", port=0, draining=doors.draining) as port:
        yield Wire(port, installation.world)


@pytest.fixture
async def conversation(client: Client) -> str:
    return str((await client.post("/v1/conversations", json={})).json()["conversation_id"])


@pytest.fixture
def key(client: Client) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


async def say(installation: Installation, conversation: str, *texts: str) -> None:
    for text in texts:
        command = PostInteraction(conversation_id=UUID(conversation), what=Chat(text))
        await installation.world.happen(command)


async def test_events_and_pieces_come_as_they_happen(
    installation: Installation, wire: Wire, key: str, conversation: str
) -> None:
    follower = await Follower(wire, key).follow(conversation)
    started = await follower.next()

    await say(installation, conversation, "Hello")
    said = await follower.next()
    run = new_id()
    installation.world.live.delta(UUID(conversation), run, "He")
    piece = await follower.next()

    assert "content-type: text/event-stream" in follower.head.lower()
    assert "cache-control: no-store" in follower.head.lower()
    assert started["event"]["type"] == "conversation.started"
    assert said["event"]["data"]["text"] == "Hello"
    assert said["event"]["position"] == started["event"]["position"] + 1
    assert piece == {"event": None, "piece": {"runId": str(run), "text": "He"}}
    follower.leave()


async def test_it_goes_on_behind_a_position_without_loss_or_repeats(
    installation: Installation, wire: Wire, key: str, conversation: str
) -> None:
    seen: list[int] = []
    for round_ in range(4):
        follower = await Follower(wire, key).follow(conversation, seen[-1] if seen else 0)
        await say(installation, conversation, f"{round_} a", f"{round_} b", f"{round_} c")
        seen += [await follower.position(), await follower.position()]
        follower.leave()
    rest = await Follower(wire, key).follow(conversation, seen[-1])
    while len(seen) < 13:
        seen.append(await rest.position())
    rest.leave()

    assert seen == list(range(seen[0], seen[0] + 13))


async def test_silence_is_filled_with_comments(wire: Wire, key: str, conversation: str) -> None:
    follower = await Follower(wire, key).follow(conversation)
    await follower.next()

    assert (await follower.frame()).startswith(":")
    assert (await follower.frame()).startswith(":")
    follower.leave()


async def test_a_revoked_key_ends_it_with_a_code(
    installation: Installation, wire: Wire, key: str, conversation: str
) -> None:
    follower = await Follower(wire, key).follow(conversation)
    await follower.next()

    await installation.world.happen(RevokeKey(key.split("_")[1]))

    async with asyncio.timeout(1):
        assert await follower.next() == {"code": "key-revoked", "status": 401}
    assert [await follower.frame(), await follower.frame()] == [COMPLETE, END]
    refused = await wire.ask(
        "POST", "/graphql", b'{"query": "{ __typename }"}', Authorization=f"Bearer {key}"
    )
    assert (refused.status, refused.json()["code"]) == (401, "key-revoked")


async def test_a_conversation_of_nobody_and_of_another_tenant_are_told_alike(
    installation: Installation, wire: Wire, conversation: str
) -> None:
    stranger = await installation.tenant("other")

    told = []
    for one in (conversation, str(new_id())):
        follower = await Follower(wire, stranger).follow(one)
        told.append(await follower.next())
        assert [await follower.frame(), await follower.frame()] == [COMPLETE, END]

    assert told == [{"code": "not-found", "status": 404}] * 2


async def test_a_bad_position_ends_it_at_once(wire: Wire, key: str, conversation: str) -> None:
    follower = await Follower(wire, key).follow(conversation, -1)

    told = await follower.next()

    assert (told["code"], told["errors"][0]["field"]) == ("invalid-input", "after")
    assert [await follower.frame(), await follower.frame()] == [COMPLETE, END]


async def test_where_it_is_worth_coming_again_it_only_breaks_off(
    installation: Installation, wire: Wire, key: str, conversation: str
) -> None:
    follower = await Follower(wire, key).follow(conversation)
    await follower.next()

    installation.network.refusing = True
    installation.network.cut()
    told = await follower.next()
    rest = await follower.frame()
    installation.network.refusing = False

    assert (told["code"], told["status"]) == ("engine-unavailable", 503)
    assert told["retry_after_seconds"] == 1
    assert rest == END


async def test_who_leaves_is_noticed_at_once(wire: Wire, key: str, conversation: str) -> None:
    followers = [await Follower(wire, key).follow(conversation) for _ in range(10)]
    for follower in followers:
        await follower.next()
    assert wire.world.live.watchers == 10

    for follower in followers:
        follower.leave()

    await eventually(lambda: not wire.world.live.watchers)


async def test_a_server_that_stops_breaks_off_so_that_the_client_comes_again(
    wire: Wire, key: str, conversation: str
) -> None:
    follower = await Follower(wire, key).follow(conversation)
    await follower.next()

    wire.world.doors.draining.set()

    assert await follower.frame() == END
