"""Starting and stopping: addresses that cannot be had, requests under way, streams."""

import asyncio
import socket
import time
from typing import Any

import pytest

from aigestion.api.app import create_app
from aigestion.api.server import DRAIN_SECONDS_MAX, serving
from aigestion.kernel.errors import Misconfigured
from aigestion.queries.answer import Answer as Answered
from aigestion.queries.answer import Page
from tests.integration.api.conftest import Wire, read_answer
from tests.support.api_fakes import World


async def test_a_taken_port_is_one_clear_sentence(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(Misconfigured, match=f"Port {port} .* taken"):
            async with serving(
                create_app(world.doors), host="127.0.0.1", port=port, draining=asyncio.Event()
            ):
                pass


async def test_two_servers_do_not_share_a_port(wire: Wire) -> None:
    with pytest.raises(Misconfigured, match="taken"):
        async with serving(
            create_app(World().doors), host="127.0.0.1", port=wire.port, draining=asyncio.Event()
        ):
            pass


async def test_an_address_of_another_machine_is_one_clear_sentence(world: World) -> None:
    with pytest.raises(Misconfigured, match=r"Cannot listen on 192\.0\.2\.1:0"):
        async with serving(
            create_app(world.doors), host="192.0.2.1", port=0, draining=asyncio.Event()
        ):
            pass


async def test_a_port_can_be_had_again_at_once(world: World) -> None:
    port = 0
    for _ in range(3):
        doors = World().doors
        app = create_app(doors)
        async with serving(app, host="127.0.0.1", port=port, draining=doors.draining) as port:
            assert (await Wire(port, world).ask("GET", "/health/live")).status == 200


async def test_a_request_under_way_is_answered_before_the_server_stops(world: World) -> None:
    asked = asyncio.Event()

    async def slow(tenant: str, q: str, **_: Any) -> Answered[Page[Any]]:
        asked.set()
        await asyncio.sleep(0.3)
        return Answered(1, Page([], None))

    world.search.search = slow  # type: ignore[method-assign]
    app = create_app(world.doors)
    async with serving(app, host="127.0.0.1", port=0, draining=world.doors.draining) as port:
        asking = asyncio.create_task(Wire(port, world).ask("GET", "/v1/search?q=a"))
        await asked.wait()

    assert (await asking).status == 200


async def test_idle_connections_and_streams_do_not_hold_up_the_end(
    world: World, conversation: str
) -> None:
    app = create_app(world.doors)
    async with serving(app, host="127.0.0.1", port=0, draining=world.doors.draining) as port:
        wire = Wire(port, world)
        idle, idle_writer = await wire.connect()
        idle_writer.write(wire.request("GET", "/health/live"))
        await read_answer(idle)
        stream, stream_writer = await wire.connect()
        stream_writer.write(wire.request("GET", f"/v1/conversations/{conversation}/stream"))
        await stream.readuntil(b"conversation.started")
        began = time.perf_counter()

    assert time.perf_counter() - began < DRAIN_SECONDS_MAX
    assert (await stream.read()).endswith(b"0\r\n\r\n"), "the stream must end as a whole answer"
    assert world.live.watchers == 0
    idle_writer.close()
    stream_writer.close()
