"""A stream on the wire: frames as they happen, resumed without loss, left without a trace."""

import asyncio
import json
import re
from uuid import UUID

import pytest
from litestar import Litestar
from prometheus_client import CollectorRegistry

from aigestion.api import system_limits
from aigestion.api.delivery import OpenStreams
from aigestion.api.server import serving
from aigestion.commands.conversation.post_interaction import Chat, PostInteraction
from aigestion.kernel.ids import new_id
from tests.integration.api.conftest import Wire, read_answer
from tests.support.api_fakes import World
from tests.support.tasks import eventually, patience


class Stream:
    """A client of a stream."""

    def __init__(self, wire: Wire, conversation: str | None) -> None:
        """Of a conversation, or of all of the log."""
        self._wire = wire
        of = "events" if conversation is None else f"conversations/{conversation}"
        self._path = f"/v1/{of}/stream"
        self.head = ""

    async def open(self, path_suffix: str = "", **headers: str) -> "Stream":
        self._reader, self._writer = await self._wire.connect()
        self._writer.write(self._wire.request("GET", self._path + path_suffix, **headers))
        self.head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        return self

    async def event(self) -> dict[str, str]:
        """The next event; heartbeats are skipped."""
        while True:
            frame = await self._frame()
            lines = dict(line.split(": ", 1) for line in frame.splitlines() if line)
            if "event" in lines:
                return lines

    async def _frame(self) -> str:
        async with patience():
            size = int(await self._reader.readline(), 16)
            chunk = await self._reader.readexactly(size)
            await self._reader.readline()
            return chunk.decode()

    async def heartbeat(self) -> str:
        while (frame := await self._frame()).startswith(("id", "event")):
            pass
        return frame

    def pause(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def resume(self) -> None:
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def rest(self) -> str:
        """All that still comes, as it is on the wire."""
        async with patience():
            return (await self._reader.read()).decode()

    def leave(self) -> None:
        self._writer.close()


async def say(wire: Wire, conversation: str, *texts: str) -> None:
    for text in texts:
        command = PostInteraction(conversation_id=UUID(conversation), what=Chat(text))
        await wire.world.happen(command)


async def test_events_come_as_they_happen(wire: Wire, conversation: str) -> None:
    stream = await Stream(wire, conversation).open()
    started = await stream.event()

    await say(wire, conversation, "Hello")
    said = await stream.event()
    run_id = new_id()
    wire.world.live.delta(UUID(conversation), run_id, "He")
    piece = await stream.event()

    assert "content-type: text/event-stream" in stream.head.lower()
    assert (started["id"], started["event"]) == ("1", "conversation.started")
    assert (said["id"], said["event"]) == ("2", "user.chat")
    assert json.loads(said["data"])["data"]["text"] == "Hello"
    assert "id" not in piece
    assert (piece["event"], json.loads(piece["data"])) == (
        "delta",
        {"run_id": str(run_id), "text": "He"},
    )
    stream.leave()


async def test_a_broken_stream_goes_on_without_loss_or_repeats(
    wire: Wire, conversation: str
) -> None:
    seen: list[str] = []
    last = "0"
    for round_ in range(5):
        stream = await Stream(wire, conversation).open(Last_Event_ID=last)
        await say(wire, conversation, f"{round_} a", f"{round_} b", f"{round_} c")
        for _ in range(2):
            event = await stream.event()
            last = event["id"]
            seen.append(last)
        stream.leave()
    rest = await Stream(wire, conversation).open(f"?after={last}")
    while len(seen) < 16:
        seen.append((await rest.event())["id"])
    rest.leave()

    assert seen == [str(position) for position in range(1, 17)]


async def test_silence_is_filled_with_comments(wire: Wire, conversation: str) -> None:
    stream = await Stream(wire, conversation).open()

    assert (await stream.heartbeat()).startswith(":")
    stream.leave()


async def test_who_leaves_is_noticed_at_once(wire: Wire, conversation: str) -> None:
    streams = [await Stream(wire, conversation).open() for _ in range(20)]
    for stream in streams:
        await stream.event()
    assert wire.world.live.watchers == 20

    for stream in streams:
        stream.leave()

    for _ in range(200):
        if wire.world.live.watchers:
            await asyncio.sleep(0.01)
    assert wire.world.live.watchers == 0


async def test_there_is_an_end_to_how_many_may_watch(
    wire: Wire, conversation: str, app: Litestar
) -> None:
    app.state.streams = OpenStreams(CollectorRegistry(), streams_max=2)
    watching = [await Stream(wire, conversation).open() for _ in range(2)]
    for stream in watching:
        await stream.event()

    refused = await wire.ask("GET", f"/v1/conversations/{conversation}/stream")
    for stream in watching:
        stream.leave()
    async with patience():
        while (await Stream(wire, conversation).open()).head.startswith("HTTP/1.1 503"):
            await asyncio.sleep(0.01)

    assert (refused.status, refused.json()["code"]) == (503, "overloaded")
    assert refused.json()["streams_max"] == 2


async def test_an_unknown_conversation_is_404_before_the_stream_begins(wire: Wire) -> None:
    answer = await wire.ask("GET", f"/v1/conversations/{new_id()}/stream")

    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_bad_last_id_is_named(wire: Wire, conversation: str) -> None:
    for bad in ("-1", "x", "1.5", "9" * 30, "\xb2"):
        answer = await wire.ask(
            "GET", f"/v1/conversations/{conversation}/stream", Last_Event_ID=bad
        )
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "Last-Event-ID")


async def test_a_watcher_that_does_not_read_holds_up_nobody(wire: Wire, conversation: str) -> None:
    reader, writer = await wire.connect()
    writer.write(wire.request("GET", f"/v1/conversations/{conversation}/stream"))
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    quick = await Stream(wire, conversation).open("?after=1")

    for number in range(300):
        await say(wire, conversation, f"{number} " + "x" * 10_000)

    for number in range(300):
        event = await quick.event()
        assert json.loads(event["data"])["data"]["text"].startswith(f"{number} ")
    quick.leave()
    wire.world.doors.draining.set()  # the one that does not read must not keep its place
    await eventually(lambda: not wire.world.live.watchers)
    writer.close()
    assert (await wire.ask("GET", "/health/live")).status == 200


async def test_a_kept_connection_serves_after_a_problem(wire: Wire) -> None:
    reader, writer = await wire.connect()
    for _ in range(2):
        writer.write(wire.request("GET", f"/v1/conversations/{new_id()}/stream"))
        assert (await read_answer(reader)).status == 404
    writer.close()


async def test_the_whole_log_is_followed_by_type_and_resumed_by_position(
    wire: Wire, conversation: str
) -> None:
    stream = await Stream(wire, None).open("?type=user.chat")
    await say(wire, conversation, "one", "two")
    first = await stream.event()
    stream.leave()

    resumed = await Stream(wire, None).open("?type=user.chat", Last_Event_ID=first["id"])
    second = await resumed.event()
    resumed.leave()

    assert [first["event"], second["event"]] == ["user.chat"] * 2
    assert (first["id"], second["id"]) == ("2", "3")


async def test_a_stream_of_no_such_type_is_refused(wire: Wire) -> None:
    refused = await Stream(wire, None).open("?type=user.shouted")

    assert refused.head.startswith("HTTP/1.1 400")
    refused.leave()


async def not_read(wire: Wire, conversation: str, app: Litestar) -> Stream:
    """More than a connection holds, for who must take some of it within a blink, and does not."""
    app.state.streams = OpenStreams(CollectorRegistry(), send_seconds_max=0.3)
    await say(wire, conversation, *["x" * 100_000] * 200)
    stream = await Stream(wire, conversation).open()
    stream.pause()
    return stream


async def test_who_reads_too_late_is_dropped_and_told_from_where_to_go_on(
    wire: Wire, conversation: str, app: Litestar
) -> None:
    stream = await not_read(wire, conversation, app)
    await asyncio.sleep(0.8)  # too late, and before the last word is given up
    stream.resume()
    got = [event := await stream.event()]
    while event["event"] != "dropped":
        got.append(event := await stream.event())
    *events, dropped = got

    assert "id" not in dropped
    data = json.loads(dropped["data"])
    assert (data["code"], data["after"]) == ("reader-too-slow", int(events[-1]["id"]))
    assert [int(one["id"]) for one in events] == list(range(1, data["after"] + 1))
    assert data["after"] < 200
    stream.leave()
    rest = await Stream(wire, conversation).open(Last_Event_ID=str(data["after"]))
    assert int((await rest.event())["id"]) == data["after"] + 1
    rest.leave()


async def test_who_never_reads_gives_its_place_back_and_finds_a_whole_prefix(
    wire: Wire, conversation: str, app: Litestar
) -> None:
    stream = await not_read(wire, conversation, app)
    async with patience():
        while wire.world.live.watchers or not app.state.streams.dropped._value.get():
            await asyncio.sleep(0.01)
    with app.state.streams.opened():
        pass
    assert app.state.streams.dropped._value.get() == 1
    stream.resume()
    content = await stream.rest()

    positions = [int(one) for one in re.findall(r"^id: ([0-9]+)", content, re.MULTILINE)]
    assert positions == list(range(1, len(positions) + 1))
    assert len(positions) < 200
    stream.leave()


async def test_the_kernel_ends_a_connection_whose_other_side_takes_nothing(
    world: World, conversation: str, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_limits, "UNREAD_SECONDS_MAX", 1.0)
    async with serving(app, host="127.0.0.1", port=0, draining=world.doors.draining) as port:
        stream = await not_read(Wire(port, world), conversation, app)
        await asyncio.sleep(5)  # the kernel looks ever more seldom
        stream.resume()

        with pytest.raises(ConnectionResetError):
            await stream.rest()


async def test_many_who_come_at_once_get_no_more_than_there_is(
    wire: Wire, conversation: str, app: Litestar
) -> None:
    app.state.streams = OpenStreams(CollectorRegistry(), streams_max=3)
    streams = await asyncio.gather(*(Stream(wire, conversation).open() for _ in range(20)))

    heads = [stream.head.split("\r\n")[0] for stream in streams]
    assert heads.count("HTTP/1.1 200 OK") == 3
    assert heads.count("HTTP/1.1 503 Service Unavailable") == 17
    for stream in streams:
        stream.leave()
