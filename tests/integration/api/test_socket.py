"""A conversation over one socket: both ways, resumed, refused, closed with a code that says what to do."""

import asyncio
import dataclasses
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from prometheus_client import CollectorRegistry

from aigestion.api.app import create_app
from aigestion.api.body import BODY_BYTES_MAX
from aigestion.api.delivery import LAST_SEND_SECONDS_MAX, OpenStreams
from aigestion.api.server import serving
from aigestion.api.v1.socket_messages import BAD_MESSAGES_MAX
from aigestion.commands.conversation.post_interaction import Chat, PostInteraction
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.commands.run.start_run import StartRun
from aigestion.kernel.ids import new_id
from aigestion.ratelimit.memory import MemoryRateLimiter
from aigestion.ratelimit.routes import RouteLimits
from tests.integration.api.conftest import Wire
from tests.support.api_fakes import NOW, World
from tests.support.sockets import SocketClient, opened, refused
from tests.support.tasks import eventually, patience


async def say(world: World, conversation: str, *texts: str) -> None:
    for text in texts:
        await world.happen(PostInteraction(conversation_id=UUID(conversation), what=Chat(text)))


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "user.chat", "payload": {"text": text}, **more}


async def test_what_a_user_writes_goes_out_and_what_happens_comes_in(
    wire: Wire, conversation: str, agent: None
) -> None:
    async with opened(wire.port, conversation, wire.world.demo.key) as socket:
        started = await socket.hear()
        await socket.send(**chat("Hello", id="1"))
        heard = [await socket.hear() for _ in range(6)]

    assert (started["event"], started["position"]) == ("conversation.started", 1)
    answer = next(one for one in heard if one["event"] == "accepted")
    said = next(one for one in heard if one["event"] == "user.chat")
    assert (answer["id"], answer["position"]) == ("1", said["position"])
    assert answer["data"] == {"event_id": said["data"]["id"], "position": said["position"]}
    pieces = [one["data"]["text"] for one in heard if one["event"] == "delta"]
    assert "".join(pieces) == "You said Hello."
    assert all("position" not in one for one in heard if one["event"] == "delta")


async def test_all_that_can_be_said_is_accepted_and_a_ping_is_answered(
    wire: Wire, conversation: str
) -> None:
    run = new_id()
    await wire.world.happen(
        StartRun(
            run_id=run,
            conversation_id=UUID(conversation),
            agent="assistant",
            in_reply_to=new_id(),
        )
    )
    async with opened(wire.port, conversation, wire.world.demo.key) as socket:
        answers = [
            await socket.ask(**chat("a", id="1")),
            await socket.ask(type="user.voice", payload={"transcript": "b"}, id="2"),
            await socket.ask(type="user.action", payload={"name": "c"}, id="3"),
            await socket.ask(type="cancel", run_id=str(run), id="4"),
            await socket.ask(type="ping", id="5"),
        ]

    assert [one["event"] for one in answers] == [*["accepted"] * 4, "pong"]
    assert [one.get("position") for one in answers] == [3, 4, 5, 6, None]
    assert await wire.world.types() == [
        *("conversation.started", "run.started", "user.chat", "user.voice", "user.action"),
        "run.cancel_requested",
    ]


async def test_the_same_message_again_is_the_same_answer_and_another_is_refused(
    wire: Wire, conversation: str
) -> None:
    async with opened(wire.port, conversation, wire.world.demo.key) as socket:
        first = await socket.ask(**chat("a", id="1", idempotency_key="k"))
        again = await socket.ask(**chat("a", id="2", idempotency_key="k"))
        other = await socket.ask(**chat("b", id="3", idempotency_key="k"))

    assert again["data"] == first["data"]
    assert (other["event"], other["data"]["code"]) == ("problem", "idempotency-key-reused")
    assert other["data"]["status"] == 422


async def test_a_socket_goes_on_behind_its_position_on_another_server(
    wire: Wire, conversation: str
) -> None:
    other = create_app(dataclasses.replace(wire.world.doors, metrics=CollectorRegistry()))
    seen: list[int] = []
    async with serving(other, host="127.0.0.1", port=0, draining=asyncio.Event()) as port:
        for round_ in range(6):
            await say(wire.world, conversation, f"{round_} a", f"{round_} b", f"{round_} c")
            last = seen[-1] if seen else 0
            here = (wire.port, port)[round_ % 2]
            async with opened(here, conversation, wire.world.demo.key, f"?after={last}") as socket:
                await say(wire.world, conversation, f"{round_} d")
                count = 2 if round_ < 5 else 15
                seen += [(await socket.hear())["position"] for _ in range(count)]

    assert seen == list(range(1, 26))


async def test_a_page_presents_its_key_and_user_as_subprotocols(
    wire: Wire, conversation: str
) -> None:
    protocols = ["aigestion.v1", f"bearer.{wire.world.demo.key}", "user.ana%40example.org"]
    async with opened(wire.port, conversation, None, subprotocols=protocols) as socket:
        await socket.send(**chat("Hello"))
        said = await socket.until("user.chat")

        assert socket.connection.subprotocol == "aigestion.v1"
        assert said["data"]["actor"] == "user:ana@example.org"


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [("https://app.example", True), ("https://evil.example", False), ("null", False)],
)
async def test_a_page_from_elsewhere_is_let_in_only_if_a_setting_names_it(
    world: World, conversation: str, origin: str, let_in: bool
) -> None:
    app = create_app(world.doors, cors_origins=["https://app.example"])
    async with serving(app, host="127.0.0.1", port=0, draining=world.doors.draining) as port:
        headers = {"Origin": origin}
        if let_in:
            async with opened(port, conversation, world.demo.key, headers=headers) as socket:
                assert (await socket.hear())["position"] == 1
        else:
            status, problem, _ = await refused(port, conversation, world.demo.key, headers=headers)
            assert (status, problem["code"]) == (403, "forbidden")


async def test_a_page_of_the_same_server_needs_no_setting(wire: Wire, conversation: str) -> None:
    headers = {"Origin": f"http://127.0.0.1:{wire.port}"}
    async with opened(wire.port, conversation, wire.world.demo.key, headers=headers) as socket:
        assert (await socket.hear())["position"] == 1


async def test_who_may_not_is_refused_as_a_request_would_be(wire: Wire, conversation: str) -> None:
    world = wire.world
    foreign = world.keys.issue("other").key
    silent = world.keys.issue("demo", ["read", "write"]).key

    async def code(conversation: str, key: str | None) -> tuple[int, str]:
        status, problem, _ = await refused(wire.port, conversation, key)
        return status, problem["code"]

    assert await code(conversation, None) == (401, "unauthenticated")
    assert await code(conversation, "aig_nonsense") == (401, "unauthenticated")
    assert await code(conversation, foreign) == (404, "not-found")
    assert await code(str(new_id()), world.demo.key) == (404, "not-found")
    assert await code("not-an-id", world.demo.key) == (404, "not-found")
    assert await code(conversation, silent) == (403, "scope-missing")
    status, problem, _ = await refused(
        wire.port, conversation + "/socket?after=-1&x=", world.demo.key
    )
    assert (status, problem["errors"][0]["field"]) == (400, "after")
    foreign_answer = await refused(wire.port, conversation, foreign)
    unknown_answer = await refused(wire.port, str(new_id()), world.demo.key)
    assert foreign_answer[1] == unknown_answer[1]


async def test_who_may_only_listen_hears_and_is_refused_each_command(
    wire: Wire, conversation: str
) -> None:
    key = wire.world.keys.issue("demo", ["events"]).key
    async with opened(wire.port, conversation, key) as socket:
        answer = await socket.ask(**chat("Hello", id="1"))
        pong = await socket.ask(type="ping", id="2")

    assert (answer["event"], answer["data"]["code"]) == ("problem", "scope-missing")
    assert pong["event"] == "pong"
    assert await wire.world.types() == ["conversation.started"]


async def test_a_revoked_key_closes_its_sockets_within_a_second(
    wire: Wire, conversation: str
) -> None:
    minted = wire.world.keys.issue("demo")
    async with opened(wire.port, conversation, minted.key) as socket:
        await socket.hear()
        wire.world.keys.change(minted, revoked_at=NOW)
        async with asyncio.timeout(1.2):
            last, code, reason = await socket.end()

    assert last is not None
    assert (last["event"], last["data"]["code"], last["data"]["after"]) == ("end", "key-revoked", 1)
    assert (code, reason) == (4401, "key-revoked after=1")


async def test_an_expired_key_closes_its_sockets(wire: Wire, conversation: str) -> None:
    minted = wire.world.keys.issue("demo", expires_at=NOW + timedelta(hours=1))
    async with opened(wire.port, conversation, minted.key) as socket:
        await socket.hear()
        wire.world.keys.change(minted, expires_at=NOW)
        last, code, _ = await socket.end()

    assert last is not None
    assert (last["data"]["code"], code) == ("key-expired", 4401)


GARBAGE = {
    "no JSON": "{",
    "another shape": "[]",
    "a number": "1",
    "an unknown type": '{"type": "user.shouted"}',
    "without type": "{}",
    "an unknown field": '{"type": "ping", "x": 1}',
    "a bad field": '{"type": "user.chat", "payload": {"text": 1}}',
    "too deep": '{"type": "user.action", "payload": {"name": "a", "properties": {"a": '
    + "[" * 5_000
    + "]" * 5_000
    + "}}}",
    "bytes": b"\x00\xff",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_is_told_and_the_socket_goes_on(
    wire: Wire, conversation: str, garbage: str | bytes
) -> None:
    async with opened(wire.port, conversation, wire.world.demo.key, "?after=1") as socket:
        await socket.connection.send(garbage)
        problem = await socket.hear()
        answer = await socket.ask(**chat("Hello", id="1"))

    assert (problem["event"], problem["data"]["code"]) == ("problem", "invalid-input")
    assert problem["data"]["status"] == 400
    assert answer["event"] == "accepted"


async def test_a_bad_message_is_answered_with_its_id(wire: Wire, conversation: str) -> None:
    async with opened(wire.port, conversation, wire.world.demo.key) as socket:
        answer = await socket.ask(type="user.chat", payload={}, id="7")

    assert answer["data"]["errors"][0]["field"] == "payload.text"


async def test_who_sends_nothing_but_garbage_is_closed(wire: Wire, conversation: str) -> None:
    async with opened(wire.port, conversation, wire.world.demo.key) as socket:
        for _ in range(BAD_MESSAGES_MAX - 1):
            await socket.connection.send("garbage")
        await socket.ask(type="ping", id="1")  # one good one, and it begins anew
        for _ in range(BAD_MESSAGES_MAX):
            await socket.connection.send("garbage")
        last, code, reason = await socket.end()

    assert last is not None
    assert (last["event"], last["data"]["code"]) == ("end", "bad-messages")
    assert (code, reason) == (4400, "bad-messages after=1")


async def test_a_message_larger_than_a_body_may_be_closes_the_socket(
    wire: Wire, conversation: str
) -> None:
    async with opened(wire.port, conversation, wire.world.demo.key) as socket:
        await socket.connection.send("x" * (BODY_BYTES_MAX + 1))
        problem = await socket.until("problem")
        _, code, reason = await socket.end()

    assert (problem["data"]["code"], problem["data"]["limit_bytes"]) == (
        "too-large",
        BODY_BYTES_MAX,
    )
    assert (code, reason) == (1009, "too-large after=1")


async def test_commands_are_charged_and_refused_as_requests_are(conversation: str) -> None:
    limits = RouteLimits(MemoryRateLimiter(), per_minute={"read": 10, "write": 10, "expensive": 2})
    world = World(limiter=limits)
    (started,) = await world.happen(
        StartConversation(conversation_id=new_id(), user_id="ana", agent="assistant")
    )
    app = create_app(world.doors)
    async with (
        serving(app, host="127.0.0.1", port=0, draining=world.doors.draining) as port,
        opened(port, str(started.data.conversation_id), world.demo.key) as socket,
    ):
        answers = [await socket.ask(**chat("a", id=str(number))) for number in range(3)]

    assert [one["event"] for one in answers] == ["accepted", "accepted", "problem"]
    assert answers[2]["data"]["code"] == "rate-limited"
    assert answers[2]["data"]["retry_after_seconds"] > 0


async def test_silence_is_filled(wire: Wire, conversation: str) -> None:
    async with opened(wire.port, conversation, wire.world.demo.key) as socket:
        await socket.hear()
        async with patience():
            assert json.loads(await socket.connection.recv()) == {"event": "heartbeat"}


async def test_a_server_that_stops_says_from_where_to_go_on(
    world: World, conversation: str
) -> None:
    app = create_app(world.doors)
    draining = world.doors.draining
    async with (
        serving(app, host="127.0.0.1", port=0, draining=draining) as port,
        opened(port, conversation, world.demo.key) as socket,
    ):
        await socket.hear()
        draining.set()
        last, code, reason = await socket.end()

    assert last is not None
    assert (last["event"], last["data"]["after"]) == ("end", 1)
    assert (code, reason) == (1001, "draining after=1")
    assert world.live.watchers == 0


async def test_there_is_an_end_to_how_many_sockets_may_be_open(
    wire: Wire, conversation: str, app: Litestar
) -> None:
    app.state.streams = OpenStreams(CollectorRegistry(), streams_max=1)
    async with opened(wire.port, conversation, wire.world.demo.key) as socket:
        await socket.hear()
        status, problem, headers = await refused(wire.port, conversation, wire.world.demo.key)

    assert (status, problem["code"], headers["retry-after"]) == (503, "overloaded", "1")


async def slow(world: World, app: Litestar, conversation: str) -> None:
    """More than the connection holds, for who must take some of it within a blink."""
    app.state.streams = OpenStreams(CollectorRegistry(), send_seconds_max=0.3)
    await say(world, conversation, *["x" * 100_000] * 200)


async def test_who_reads_too_late_is_told_from_where_to_go_on(
    wire: Wire, conversation: str, app: Litestar
) -> None:
    await slow(wire.world, app, conversation)
    async with opened(
        wire.port, conversation, wire.world.demo.key, max_queue=None, max_size=None
    ) as socket:
        socket.connection.transport.pause_reading()
        await asyncio.sleep(0.8)  # too late, and before the last word is given up
        socket.connection.transport.resume_reading()
        heard, last = await _rest(socket)

    assert last["event"] == "dropped"
    assert (last["data"]["code"], last["data"]["after"]) == ("reader-too-slow", heard[-1])
    assert heard == list(range(1, heard[-1] + 1))
    assert heard[-1] < 200
    assert socket.connection.close_code == 4408
    assert socket.connection.close_reason == f"reader-too-slow after={heard[-1]}"


async def _rest(socket: SocketClient) -> tuple[list[int], dict[str, Any]]:
    positions = []
    while (frame := await socket.hear())["event"] != "dropped":
        positions.append(frame["position"])
    await socket.connection.wait_closed()
    return positions, frame


async def test_who_never_reads_is_cut(wire: Wire, conversation: str, app: Litestar) -> None:
    await slow(wire.world, app, conversation)
    async with opened(
        wire.port, conversation, wire.world.demo.key, max_size=None, max_queue=None
    ) as socket:
        socket.connection.transport.pause_reading()
        async with patience():
            while not wire.world.live.watchers:
                await asyncio.sleep(0.01)
            while wire.world.live.watchers:
                await asyncio.sleep(0.01)
        await asyncio.sleep(2 * LAST_SEND_SECONDS_MAX)
        socket.connection.transport.resume_reading()
        async with patience():
            await socket.connection.wait_closed()

        assert socket.connection.close_code == 1006
    assert (await wire.ask("GET", "/health/live")).status == 200


async def test_pings_of_the_protocol_are_answered(wire: Wire, conversation: str) -> None:
    settings: dict[str, Any] = {"ping_interval": 0.1, "ping_timeout": 0.5}
    async with opened(wire.port, conversation, wire.world.demo.key, **settings) as socket:
        await asyncio.sleep(1)

        assert socket.connection.latency > 0
        assert (await socket.ask(type="ping", id="1"))["event"] == "pong"


@pytest.mark.parametrize("politely", [True, False])
async def test_who_leaves_is_noticed_at_once(wire: Wire, conversation: str, politely: bool) -> None:
    async with opened(wire.port, conversation, wire.world.demo.key) as socket:
        await socket.hear()
        assert wire.world.live.watchers == 1
        if politely:
            await socket.connection.close()
        else:
            socket.connection.transport.abort()

        await eventually(lambda: not wire.world.live.watchers)


async def test_a_fault_while_it_is_open_is_told_without_what_it_was(
    wire: Wire, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(wire.port, conversation, wire.world.demo.key) as socket:
        await socket.hear()

        async def breaks(*_: Any, **__: Any) -> Any:
            raise ValueError("secret")

        monkeypatch.setattr(wire.world.store, "read", breaks)
        last, code, reason = await socket.end()

    assert last is not None
    assert (last["event"], last["data"]["code"]) == ("end", "internal-error")
    assert (code, reason) == (1011, "internal-error after=1")
    assert "secret" not in json.dumps(last)


async def test_an_engine_that_does_not_answer_is_no_reason_to_give_up(
    wire: Wire, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(wire.port, conversation, wire.world.demo.key) as socket:
        await socket.hear()

        async def away(*_: Any, **__: Any) -> Any:
            raise ConnectionResetError

        monkeypatch.setattr(wire.world.store, "append", away)
        answer = await socket.ask(**chat("Hello", id="1"))
        monkeypatch.setattr(wire.world.store, "read", away)
        _, code, _ = await socket.end()

    assert (answer["event"], answer["data"]["code"]) == ("problem", "engine-unavailable")
    assert code == 1013


async def test_a_path_without_a_socket_is_not_found(wire: Wire, conversation: str) -> None:
    status, problem, headers = await refused(wire.port, f"{conversation}/none", wire.world.demo.key)

    assert (status, problem["code"]) == (404, "not-found")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["request-id"]


async def test_sockets_are_counted_by_route(wire: Wire, conversation: str) -> None:
    async with opened(wire.port, conversation, wire.world.demo.key):
        await refused(wire.port, str(new_id()), wire.world.demo.key)
    await asyncio.sleep(0.1)
    metrics = (await wire.ask("GET", "/metrics")).content.decode()

    route = 'route="/v1/conversations/{conversation_id}/socket"'
    for status in (101, 404):
        assert f'{{method="WEBSOCKET",{route},status="{status}"}} 1.0' in metrics
