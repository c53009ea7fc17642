"""The pulse of the broker: it never harms the connection it asks over."""

import asyncio

import pytest

from aigestion.bootstrap.vitals import Vitals
from aigestion.eventstore.pool import Losses
from aigestion.messaging import pulse
from aigestion.messaging.pulse import BrokerPulse
from tests.support.broker_process import BrokerProcess, connected
from tests.support.network import network_to
from tests.support.tasks import WAIT_SECONDS_MAX, eventually, running


async def test_a_killed_broker_is_counted(process: BrokerProcess) -> None:
    async with connected(process.url) as client:
        asked = BrokerPulse(client)
        assert 0 < await asked.ask() < WAIT_SECONDS_MAX

        await asyncio.to_thread(process.kill)
        await eventually(lambda: not client.is_connected)
        with pytest.raises(ConnectionError):
            await asked.ask()
        await asyncio.to_thread(process.start)
        await eventually(lambda: client.is_connected)

        assert 0 < await asked.ask() < WAIT_SECONDS_MAX
        assert asked.reconnects == 1


async def test_an_answer_that_comes_too_late_leaves_the_client_hearing(
    process: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "ANSWER_SECONDS_MAX", 0.2)
    async with network_to(process.url) as (wire, url), connected(url) as client:
        heard = await client.subscribe("said")
        asked = BrokerPulse(client)
        await asked.ask()
        wire.replies.clear()

        for _ in range(2):
            with pytest.raises(TimeoutError):
                await asked.ask()
        wire.mend()

        assert await asked.ask() > 0.2  # since it was asked first
        await client.publish("said", b"it")
        assert (await heard.next_msg(5)).data == b"it"


async def test_who_stops_asking_leaves_the_client_hearing(
    process: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that ends while a question is open says its last line and nothing else."""
    async with network_to(process.url) as (wire, url), connected(url) as client:
        heard = await client.subscribe("said")
        wire.replies.clear()
        vitals = Vitals("unused", client, Losses())
        async with running(vitals.watch()):
            await eventually(lambda: client._pongs)
        wire.mend()

        await client.publish("said", b"it")
        assert (await heard.next_msg(5)).data == b"it"
    assert not caplog.records
