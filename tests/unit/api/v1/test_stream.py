"""A conversation live: nothing lost, nothing twice, pieces only while they are of use."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from aigestion.api.following import Shown, follow, shown_of
from aigestion.api.sse import frame
from aigestion.commands.conversation.post_interaction import Chat, PostInteraction
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.commands.run.cancel_run import CancelRun
from aigestion.commands.run.end_cancelled_run import EndCancelledRun
from aigestion.commands.run.fail_run import FailRun
from aigestion.commands.run.start_run import StartRun
from aigestion.events.run import RunCancelled, RunFailed
from aigestion.kernel.ids import new_id
from aigestion.kernel.query import matching
from aigestion.messaging.port import Wake
from tests.support.api_fakes import World
from tests.support.tasks import WAIT_SECONDS_MAX

TENANT = "demo"


class Frame:
    """One frame, read as a client reads it."""

    def __init__(self, content: bytes) -> None:
        lines = dict(line.split(": ", 1) for line in content.decode().splitlines() if line)
        self.id = int(lines["id"]) if "id" in lines else None
        self.event = lines.get("event", "heartbeat")
        self.data: Any = json.loads(lines.get("data", "null"))


class Watcher:
    """Somebody who follows a conversation, or events of these types in all of the tenant's log."""

    def __init__(
        self, world: World, conversation: UUID | None, after: int = 0, *types: str
    ) -> None:
        query = matching(types=types) if conversation is None else shown_of(conversation)
        self._items: AsyncGenerator[Shown | None, None] = follow(
            world.doors, TENANT, query, after, conversation
        )

    async def next(self) -> Frame:
        return Frame(frame(await asyncio.wait_for(anext(self._items), WAIT_SECONDS_MAX)))

    async def events(self, count: int) -> list[tuple[int | None, str]]:
        frames = [await self.next() for _ in range(count)]
        return [(frame.id, frame.event) for frame in frames]

    async def leave(self) -> None:
        await self._items.aclose()


@pytest.fixture
def world() -> World:
    return World(heartbeat_seconds=0.1)


@pytest.fixture
async def watched(world: World, conversation: str) -> AsyncIterator[tuple[UUID, Watcher]]:
    watcher = Watcher(world, UUID(conversation))
    yield UUID(conversation), watcher
    await watcher.leave()


async def say(world: World, conversation: UUID, text: str = "Hello") -> Any:
    (said,) = await world.happen(PostInteraction(conversation_id=conversation, what=Chat(text)))
    return said


async def start_run(world: World, conversation: UUID) -> UUID:
    run_id = new_id()
    await world.happen(
        StartRun(
            run_id=run_id, conversation_id=conversation, agent="assistant", in_reply_to=new_id()
        )
    )
    return run_id


async def fail_run(world: World, conversation: UUID, run_id: UUID) -> None:
    await world.happen(
        FailRun(
            RunFailed(
                run_id=run_id,
                conversation_id=conversation,
                user_id="ana",
                agent="assistant",
                in_reply_to=new_id(),
                reason="timeout",
                message="Sorry.",
            )
        )
    )


async def test_what_was_recorded_before_and_after_comes_in_order(
    world: World, watched: tuple[UUID, Watcher]
) -> None:
    conversation, watcher = watched
    await say(world, conversation)

    before = await watcher.events(2)
    await say(world, conversation)
    run_id = await start_run(world, conversation)
    after = await watcher.events(2)

    assert before == [(1, "conversation.started"), (2, "user.chat")]
    assert after == [(3, "user.chat"), (4, "run.started")]
    assert run_id


async def test_a_frame_carries_the_envelope_and_the_data(
    world: World, watched: tuple[UUID, Watcher]
) -> None:
    conversation, watcher = watched
    said = await say(world, conversation, "Line one\nline two\r\n\r\nid: 99")

    await watcher.next()
    frame = await watcher.next()

    assert frame.data["id"] == str(said.id)
    assert frame.data["position"] == frame.id == 2
    assert frame.data["data"]["text"] == "Line one\nline two\r\n\r\nid: 99"


async def test_a_stream_goes_on_behind_the_last_id(world: World, conversation: str) -> None:
    for number in range(5):
        await say(world, UUID(conversation), str(number))

    watcher = Watcher(world, UUID(conversation), after=3)

    assert await watcher.events(3) == [(4, "user.chat"), (5, "user.chat"), (6, "user.chat")]
    await watcher.leave()


async def test_other_conversations_and_tenants_are_not_shown(
    world: World, watched: tuple[UUID, Watcher]
) -> None:
    conversation, watcher = watched
    other = StartConversation(conversation_id=new_id(), user_id="bob", agent="assistant")
    await world.happen(other)
    same_id = StartConversation(conversation_id=conversation, user_id="eve", agent="assistant")
    await world.happen(same_id, tenant="other")
    await say(world, conversation)

    assert await watcher.events(2) == [(1, "conversation.started"), (4, "user.chat")]


async def test_an_event_recorded_while_the_log_is_read_is_not_missed(
    world: World, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = world.log.read

    async def slow_read(*given: Any, **more: Any) -> Any:
        found = await read(*given, **more)
        if not more.get("after"):
            await say(world, UUID(conversation), "just now")
        return found

    monkeypatch.setattr(world.log, "read", slow_read)
    watcher = Watcher(world, UUID(conversation))

    assert await watcher.events(2) == [(1, "conversation.started"), (2, "user.chat")]
    await watcher.leave()


async def test_pieces_come_between_events_without_an_id(
    world: World, watched: tuple[UUID, Watcher]
) -> None:
    conversation, watcher = watched
    await watcher.next()
    run_id = new_id()

    world.live.delta(conversation, run_id, "Hel")
    world.live.delta(conversation, run_id, "lo")
    first, second = await watcher.next(), await watcher.next()

    assert (first.event, first.id) == ("delta", None)
    assert [first.data, second.data] == [
        {"run_id": str(run_id), "text": "Hel"},
        {"run_id": str(run_id), "text": "lo"},
    ]


async def test_a_run_that_is_stopped_is_seen_to_stop(
    world: World, watched: tuple[UUID, Watcher]
) -> None:
    conversation, watcher = watched
    run_id = await start_run(world, conversation)
    cancelled = RunCancelled(
        run_id=run_id, conversation_id=conversation, user_id="ana", agent="assistant",
        in_reply_to=new_id(),
    )  # fmt: skip
    await world.happen(CancelRun(run_id=run_id), EndCancelledRun(cancelled))

    assert await watcher.events(4) == [
        (1, "conversation.started"),
        (2, "run.started"),
        (3, "run.cancel_requested"),
        (4, "run.cancelled"),
    ]
    world.live.delta(conversation, run_id, "too late")
    world.live.delta(conversation, new_id(), "of another run")
    assert (await watcher.next()).data["text"] == "of another run"


async def test_pieces_that_come_after_the_end_of_their_run_are_dropped(
    world: World, watched: tuple[UUID, Watcher]
) -> None:
    conversation, watcher = watched
    run_id = await start_run(world, conversation)
    await fail_run(world, conversation, run_id)
    assert await watcher.events(3) == [
        (1, "conversation.started"), (2, "run.started"), (3, "run.failed"),
    ]  # fmt: skip

    world.live.delta(conversation, run_id, "too late")
    world.live.delta(conversation, new_id(), "of another run")

    assert (await watcher.next()).data["text"] == "of another run"


async def test_after_a_gap_a_half_shown_reply_gets_no_more_pieces(
    world: World, watched: tuple[UUID, Watcher]
) -> None:
    conversation, watcher = watched
    await watcher.next()
    run_id = new_id()
    world.live.delta(conversation, run_id, "one")
    assert (await watcher.next()).data["text"] == "one"

    world.live.put(Wake(None))
    world.live.delta(conversation, run_id, "three")
    world.live.delta(conversation, new_id(), "whole")

    assert (await watcher.next()).data["text"] == "whole"


async def test_a_gap_has_the_log_read_again(world: World, watched: tuple[UUID, Watcher]) -> None:
    conversation, watcher = watched
    await watcher.next()
    world.store.on_append.clear()  # the wake-up gets lost
    await say(world, conversation)

    world.live.put(Wake(None))

    assert await watcher.events(1) == [(2, "user.chat")]


async def test_a_lost_wake_up_costs_a_heartbeat(
    world: World, watched: tuple[UUID, Watcher]
) -> None:
    conversation, watcher = watched
    await watcher.next()
    world.store.on_append.clear()
    await say(world, conversation)

    assert await watcher.events(2) == [(None, "heartbeat"), (2, "user.chat")]


async def test_silence_is_filled_with_heartbeats(
    world: World, watched: tuple[UUID, Watcher]
) -> None:
    _, watcher = watched
    await watcher.next()

    assert [event for _, event in await watcher.events(3)] == ["heartbeat"] * 3


async def test_who_leaves_listens_no_more(world: World, conversation: str) -> None:
    watcher = Watcher(world, UUID(conversation))
    await watcher.next()
    assert world.live.watchers == 1

    await watcher.leave()

    assert world.live.watchers == 0


async def test_the_stream_ends_when_the_hub_does(
    world: World, watched: tuple[UUID, Watcher]
) -> None:
    _, watcher = watched
    await watcher.next()

    for group in world.live.listeners.values():
        for listener in group:
            listener.close()

    with pytest.raises(StopAsyncIteration):
        await watcher.next()


async def test_a_stream_of_the_whole_log_shows_every_event_of_its_tenant(
    world: World, conversation: str
) -> None:
    watcher = Watcher(world, None)
    other = StartConversation(conversation_id=new_id(), user_id="eve", agent="assistant")

    before = await watcher.events(1)
    await world.happen(other, tenant="other")
    await say(world, UUID(conversation))
    await world.happen(other)
    after = await watcher.events(2)

    assert before == [(1, "conversation.started")]
    assert after == [(3, "user.chat"), (4, "conversation.started")]
    await watcher.leave()


async def test_a_stream_of_some_types_passes_over_the_others_and_reads_them_once(
    world: World, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, asked = world.log.read, list[int]()

    async def observed(*given: Any, **more: Any) -> Any:
        asked.append(more["after"])
        return await read(*given, **more)

    monkeypatch.setattr(world.log, "read", observed)
    watcher = Watcher(world, None, 0, "run.started")
    await start_run(world, UUID(conversation))
    assert await watcher.events(1) == [(2, "run.started")]

    for _ in range(3):
        await say(world, UUID(conversation))
        assert await watcher.events(1) == [(None, "heartbeat")]

    assert asked[-1] == 4, "behind what was seen to be of another type"
    await watcher.leave()
