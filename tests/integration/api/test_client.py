"""The Python client against the API on a real socket; a task of the test plays the agent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any, TypeVar
from uuid import UUID

import pytest

from aigestion.client import Answered, AsyncClient, BrokenOff, Client, Event, Reply
from aigestion.client import asynchronous as asynchronous_client
from aigestion.client import http as client_http
from aigestion.commands.conversation.post_interaction import Chat, PostInteraction
from aigestion.kernel.errors import Unavailable
from aigestion.kernel.ids import new_id
from aigestion.kernel.query import matching
from tests.integration.api.conftest import Wire
from tests.support.engines import free_port
from tests.support.tasks import WAIT_SECONDS_MAX, eventually

T = TypeVar("T")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_http, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(asynchronous_client, "RECONNECT_SECONDS", 0.01)


@pytest.fixture
async def client(wire: Wire) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(url(wire), wire.world.demo.key) as client:
        yield client


def url(wire: Wire) -> str:
    return f"http://127.0.0.1:{wire.port}"


async def test_a_question_is_answered_and_gone_on_with(
    wire: Wire, client: AsyncClient, agent: None
) -> None:
    first = await client.ask("hello")
    second = await client.ask("and again", conversation=first.conversation_id)

    assert (first.state, first.text) == ("final", "You said hello.")
    assert (second.text, second.conversation_id) == ("You said and again.", first.conversation_id)


async def test_pieces_are_streamed_and_the_reply_comes_last(
    client: AsyncClient, agent: None
) -> None:
    heard = [item async for item in client.stream("hello")]

    *pieces, reply = heard
    assert pieces == ["You ", "said hello."]
    assert isinstance(reply, Reply)
    assert reply.text == "You said hello."


async def test_who_leaves_a_stream_leaves_nothing_running(
    wire: Wire, client: AsyncClient, agent: None
) -> None:
    async with aclosing(client.stream("hello")) as items:
        assert await anext(items) == "You "

    await eventually(lambda: not wire.world.live.watchers)


async def test_events_are_read_to_the_end_page_by_page(
    wire: Wire, client: AsyncClient, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asynchronous_client, "PAGE_EVENTS", 2)
    await _say(wire, conversation, "one", "two", "three", "four")

    found = [event async for event in client.events()]
    chats = [event async for event in client.events(after=2, types=["user.chat"])]
    tagged = [event async for event in client.events(tag=f"conversation:{new_id()}")]

    assert [event.position for event in found] == [1, 2, 3, 4, 5]
    assert [event.data["text"] for event in chats] == ["two", "three", "four"]
    assert tagged == []


async def test_the_log_is_followed_over_a_lost_connection(
    wire: Wire, client: AsyncClient, conversation: str
) -> None:
    async with aclosing(client.follow(after=1, types=["user.chat"])) as events:
        await _say(wire, conversation, "one")
        first = await anext(events)
        for group in wire.world.live.listeners.values():
            for listener in group:
                listener.close()  # the stream ends
        await _say(wire, conversation, "two")
        second = await anext(events)

    assert [(one.position, one.data["text"]) for one in (first, second)] == [(2, "one"), (3, "two")]


async def test_a_problem_is_raised_with_its_code_and_not_tried_again(
    wire: Wire, client: AsyncClient
) -> None:
    with pytest.raises(Answered) as refused:
        await client.search("   ")
    with pytest.raises(Answered) as missing:
        await client.ask("hello", conversation=str(new_id()))
    async with AsyncClient(url(wire), "aig_no_key") as stranger:
        with pytest.raises(Answered) as unknown:
            await anext(stranger.follow())

    assert (refused.value.status, refused.value.details["code"]) == (400, "invalid-input")
    assert missing.value.status == 404
    assert unknown.value.status == 401


async def test_what_fails_for_a_moment_is_sent_again_with_the_same_key(
    wire: Wire, client: AsyncClient, agent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, failures = wire.world.store.append, 2

    async def fails_first(*given: Any) -> int:
        nonlocal failures
        if failures:
            failures -= 1
            await append(*given)  # it is recorded, and nobody hears of it
            raise Unavailable("away", engine="postgres")
        return await append(*given)

    monkeypatch.setattr(wire.world.store, "append", fails_first)
    reply = await client.ask("hello")

    started = await wire.world.log.read(matching(types=("conversation.started",)))
    said = await wire.world.log.read(matching(types=("user.chat",)))
    assert reply.text == "You said hello."
    assert (len(started), len(said), failures) == (1, 1, 0)


async def test_who_is_not_there_is_tried_a_few_times() -> None:
    async with AsyncClient(f"http://127.0.0.1:{free_port()}", "aig_key", attempts_max=3) as client:
        with pytest.raises(BrokenOff, match="does not answer"):
            await client.search("hello")


async def test_a_user_is_spoken_for(wire: Wire, agent: None) -> None:
    async with AsyncClient(url(wire), wire.world.demo.key, user="bea") as client:
        await client.ask("hello")

    (started,) = await wire.world.log.read(matching(types=("conversation.started",)))
    assert (started.actor, started.data.user_id) == ("user:bea", "bea")


async def test_a_program_without_an_event_loop_does_the_same(wire: Wire, agent: None) -> None:
    def talk() -> tuple[Reply, list[str | Reply], list[Event], Event]:
        with Client(url(wire), wire.world.demo.key) as client:
            followed: Iterator[Event] = client.follow()
            return (
                client.ask("one"),
                list(client.stream("two")),
                list(client.events(types=["user.chat"])),
                next(followed),
            )  # what is still open is closed with the client

    reply, streamed, events, first = await _in_thread(talk)

    assert reply.text == "You said one."
    assert streamed[:-1] == ["You ", "said two."]
    assert [event.data["text"] for event in events] == ["one", "two"]
    assert first.position == 1


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.wait_for(asyncio.to_thread(work), WAIT_SECONDS_MAX)


async def _say(wire: Wire, conversation: str, *texts: str) -> None:
    for text in texts:
        await wire.world.happen(
            PostInteraction(conversation_id=UUID(conversation), what=Chat(text))
        )
