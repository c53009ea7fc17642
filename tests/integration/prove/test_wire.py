"""The wire between two ends: each way in which it fails, and that it is whole again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from aigestion.embedded.ports import LOOPBACK
from aigestion.prove import wire as wires
from aigestion.prove.wire import Wire, through
from tests.support.tasks import eventually, patience

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """Sends back what it gets; knows who is connected."""

    def __init__(self) -> None:
        self.connected = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        try:
            while chunk := await reader.read(65536):
                writer.write(chunk)
        except OSError:
            pass
        finally:
            self.connected -= 1
            writer.close()


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def wire(echo: Echo) -> AsyncIterator[Wire]:
    server = await asyncio.start_server(echo.serve, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    async with Wire(lambda: (LOOPBACK, port)) as wire:
        yield wire
    server.close()


async def test_what_goes_in_comes_out(wire: Wire) -> None:
    assert await _asked(await _connected(wire), b"hello") == b"hello"


@pytest.mark.parametrize("way", ["requests", "replies"])
async def test_what_is_held_arrives_once_the_network_is_back(wire: Wire, way: str) -> None:
    ends = await _connected(wire)
    await _asked(ends, b"before")
    getattr(wire, way).clear()

    await _nothing_comes(ends, b"hello")
    wire.mend()

    assert await ends[0].readexactly(5) == b"hello"


async def test_a_connection_does_not_come_about_while_a_way_is_held(wire: Wire, echo: Echo) -> None:
    wire.requests.clear()
    ends = await _connected(wire)

    await _nothing_comes(ends, b"hello")
    assert echo.connected == 0

    wire.mend()
    assert await ends[0].readexactly(5) == b"hello"


async def test_a_reset_ends_both_sides_and_refuses_for_a_while(wire: Wire, echo: Echo) -> None:
    ends = await _connected(wire)
    await _asked(ends, b"hello")
    wire.refusing = True
    wire.reset()

    with pytest.raises(ConnectionResetError):
        await _asked(ends, b"hello")
    await eventually(lambda: not echo.connected)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await _asked(await _connected(wire), b"hello")

    wire.mend()
    assert await _asked(await _connected(wire), b"hello") == b"hello"


async def test_a_cut_is_told_to_the_client_alone(wire: Wire, echo: Echo) -> None:
    ends = await _connected(wire)
    await _asked(ends, b"hello")
    wire.cut()

    with pytest.raises(ConnectionResetError):
        await _asked(ends, b"hello")
    assert echo.connected == 1


@pytest.mark.parametrize(("said", "left"), [(b"hello", 1), (b"tcp_keepalives_idle\0", 0)])
async def test_a_forgotten_connection_is_told_to_nobody_but_a_server_that_probes(
    wire: Wire, echo: Echo, said: bytes, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wires, "KEEPALIVE_SECONDS", 0.05)
    ends = await _connected(wire)
    await _asked(ends, said)
    wire.forget()

    await _nothing_comes(ends, b"hello")
    assert echo.connected == left
    assert await _asked(await _connected(wire), b"hello") == b"hello"


async def test_it_is_late_and_it_is_slow(wire: Wire) -> None:
    ends = await _connected(wire)
    loop = asyncio.get_running_loop()

    began = loop.time()
    wire.bytes_per_second = 1_000
    assert await _asked(ends, b"x" * 100) == b"x" * 100
    slow = loop.time() - began
    wire.mend()
    began = loop.time()
    await _asked(ends, b"hello")

    assert loop.time() - began < 0.15 <= slow


def test_a_url_leads_through_the_wire() -> None:
    wire = Wire(lambda: (LOOPBACK, 1))
    wire.port = 4

    assert through(wire, "nats://a:b@host:1") == "nats://a:b@127.0.0.1:4"
    assert through(wire, "http://host:1/v1") == "http://127.0.0.1:4/v1"


async def _connected(wire: Wire) -> Ends:
    return await asyncio.open_connection(LOOPBACK, wire.port)


async def _asked(ends: Ends, said: bytes) -> bytes:
    reader, writer = ends
    writer.write(said)
    async with patience():
        return await reader.readexactly(len(said))


async def _nothing_comes(ends: Ends, said: bytes) -> None:
    reader, writer = ends
    writer.write(said)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(1), 0.3)
