"""What a process tells of its engines and its clock, as a scrape shows it."""

from datetime import UTC, datetime, timedelta

import pytest

from aigestion.kernel.errors import Unavailable
from aigestion.observability.engines import Engine
from aigestion.observability.metrics import engine_metrics, registry_of
from aigestion.observability.wall_clock import WallClock

NATS = {"engine": "nats"}


class Server:
    def __init__(self) -> None:
        self.seconds: float | None = 0.02
        self.reconnects = 0

    async def ask(self) -> float:
        if self.seconds is None:
            raise ConnectionError
        return self.seconds


async def test_an_engine_is_told_as_it_answers() -> None:
    server = Server()
    engine = Engine("nats", server.ask, lambda: server.reconnects)
    registry = registry_of(engine_metrics([engine], WallClock(), lambda: -2.5))
    told = registry.get_sample_value

    assert told("engine_up", NATS) is None
    await engine.look()
    server.seconds = 0.3
    await engine.look()
    assert told("engine_up", NATS) == 1
    assert told("engine_round_trip_seconds_bucket", {**NATS, "le": "0.025"}) == 1
    assert told("engine_round_trip_seconds_bucket", {**NATS, "le": "0.25"}) == 1
    assert told("engine_round_trip_seconds_count", NATS) == 2
    assert told("engine_round_trip_seconds_sum", NATS) == pytest.approx(0.32)

    server.seconds = None
    server.reconnects = 3
    with pytest.raises(Unavailable):
        await engine.look()
    assert told("engine_up", NATS) == 0
    assert told("engine_failures_total", NATS) == 1
    assert told("engine_reconnects_total", NATS) == 3
    assert told("clock_offset_seconds") == -2.5


def test_a_registry_tells_when_the_process_began() -> None:
    assert registry_of().get_sample_value("process_start_time_seconds")


def test_a_clock_that_is_set_is_told_apart_from_one_that_goes_on() -> None:
    passed, off = 0.0, 0.0
    clock = WallClock(
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=passed + off),
        monotonic=lambda: passed,
    )
    told = lambda: registry_of(  # noqa: E731
        engine_metrics([], clock, lambda: None)
    ).get_sample_value("clock_steps_total")

    passed, off = 3_600.0, 0.5
    clock.look()
    assert told() == 0

    off = -3_600.0
    clock.look()
    clock.look()
    assert told() == 1

    off = 0.0
    clock.look()
    assert told() == 2
