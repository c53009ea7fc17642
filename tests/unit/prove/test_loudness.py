"""Whether a fault was told, on series made by hand: told by its signals, silent without each, and no more than that."""

from itertools import count
from typing import Any

import msgspec
import pytest

from aigestion.prove.faults import WEIGHTS
from aigestion.prove.history import Fault
from aigestion.prove.loudness import (
    TOLD_SECONDS_MAX,
    Signal,
    Verdict,
    deadline,
    judged,
    signals,
    silences,
)
from aigestion.prove.scrape import Sample, Series, parsed

NODES = ("api-1", "api-2", "relay-1", "relay-2", "project-1", "agents-1", "agents-2")
AT, ENDED = 10.0, 12.0
START = "process_start_time_seconds"
VICTIMS: dict[str, tuple[str, ...]] = {
    "kill-api": ("api-2",),
    "kill-relay": ("relay-1",),
    "kill-project": ("project-1",),
    "kill-agents": ("agents-1",),
    "kill-postgres": ("postgres",),
    "postgres-disk-full": ("postgres",),
    "kill-several": ("api-1", "relay-2", "nats"),
    "kill-all": (*NODES, "nats", "postgres"),
    "pause-relay": ("relay-1",),
    "message-deleted": ("project-1", "nats"),
    "views-wiped": ("runs_v1_g1",),
    "clock-step": ("agents-2", "+3600 s"),
    "partition": ("api-1→postgres", "both ways"),
    "reset": ("relay-1→nats",),
    "half-open": ("project-1→nats",),
    "delay": ("agents-1→provider",),
    "throttle": ("project-1→postgres",),
}


def fault(kind: str, **fields: Any) -> Fault:
    made = Fault(
        kind=kind, victims=VICTIMS.get(kind, ("nats",)), at=AT, ended_at=ENDED, lost_messages=3
    )
    return msgspec.structs.replace(made, **fields)


def looks(change: dict[str, float], from_: float, node: str, only: str = "") -> list[Sample]:
    """A look a second; what `change` says holds from then on, at that process alone if it is named."""
    found = []
    for second in range(40):
        values = {START: 1.0, "clock_offset_seconds": 0.1, "engine_up[nats]": 1.0}
        if second >= from_ and node.startswith(only):
            values |= change
        found.append(Sample(float(second), second + 0.1, values))
    return found


def series(change: dict[str, float], from_: float = 11, only: str = "") -> Series:
    return {node: looks(change, from_, node, only) for node in NODES}


def as_shown(signal: Signal, from_: float = 11) -> Series:
    """What a scrape shows where this signal alone is there."""
    match signal.what:
        case "rose" | "beyond":
            return series({signal.of: 1.0 + signal.limit}, from_, signal.at)
        case "restarted" | "all restarted":
            return series({START: 2.0}, from_, signal.at)
        case _:
            shown = dict(series({}))
            for node in NODES:
                if node.startswith(signal.at):
                    shown[node] = [
                        one._replace(values=None) if one.began_at >= from_ else one
                        for one in shown[node]
                    ]
            return shown


def one(fault: Fault, shown: Series) -> Verdict:
    return judged([fault], shown)[0]


EVERY = [
    pytest.param(kind, at, signal, id=f"{kind}: {signal} {signal.at}")
    for kind in WEIGHTS
    for at, group in enumerate(signals(fault(kind)))
    for signal in group
]


@pytest.mark.parametrize("kind", WEIGHTS)
def test_a_fault_of_any_kind_that_changes_nothing_is_silent(kind: str) -> None:
    verdict = one(fault(kind), series({}))

    assert verdict.outcome == "silent"
    assert verdict.lacking
    assert [violation.kind for violation in silences([verdict])] == ["silent"]


@pytest.mark.parametrize(("kind", "at", "signal"), EVERY)
def test_each_signal_alone_tells_what_it_stands_for(kind: str, at: int, signal: Signal) -> None:
    only_this = lambda _: [(signal,)]  # noqa: E731
    told = judged([fault(kind)], as_shown(signal), only_this)[0]

    assert told.outcome == "told"
    assert told.by == (str(signal),)
    assert told.seconds == pytest.approx(1.1)
    assert judged([fault(kind)], series({}), only_this)[0].outcome == "silent"
    early, late = as_shown(signal, 9), as_shown(signal, ENDED + TOLD_SECONDS_MAX + 1)
    assert judged([fault(kind)], late, only_this)[0].outcome == "silent"
    if signal.what not in ("away", "beyond"):  # these hold on
        assert judged([fault(kind)], early, only_this)[0].outcome == "silent"


@pytest.mark.parametrize("kind", ["broker-amnesia", "stream-deleted", "block-damaged"])
def test_that_the_broker_was_killed_does_not_tell_what_it_lost(kind: str) -> None:
    killed = {"engine_reconnects_total[nats]": 1.0}

    assert one(fault(kind), series(killed)).outcome == "silent"
    told = one(fault(kind), series({**killed, "relay_rewinds_total": 1.0}))
    assert told.outcome == "told"
    assert told.by == ("engine_reconnects_total[nats]", "relay_rewinds_total")
    assert one(fault(kind, lost_messages=0), series({})).outcome == "met nothing"


def test_of_several_that_are_killed_each_is_told() -> None:
    shown = dict(series({"engine_failures_total[nats]": 1.0}))
    for node in ("api-1", "relay-2"):
        assert one(fault("kill-several"), shown).outcome == "silent"
        shown[node] = looks({START: 2.0}, 11, node)
    assert one(fault("kill-several"), shown).outcome == "told"


def test_a_server_that_everybody_forgot_with_it_is_told_by_all_of_them_being_new() -> None:
    assert one(fault("kill-all"), series({START: 2.0})).outcome == "told"
    but_one = {**series({START: 2.0}), "agents-2": looks({}, 0, "agents-2")}
    assert one(fault("kill-all"), but_one).outcome == "silent"


def test_what_nothing_met_is_counted_and_not_excused() -> None:
    edge = fault("partition", met=[])

    assert one(edge, series({})).outcome == "met nothing"
    # The restart of another fault says nothing of it.
    assert one(edge, series({START: 2.0})).outcome == "met nothing"
    assert one(edge, series({"engine_failures_total[postgres]": 1.0})).outcome == "told"
    later = series({"engine_failures_total[postgres]": 1.0}, from_=ENDED + 5)
    assert one(edge, later).outcome == "met nothing"
    assert one(fault("partition", met=[11.0]), later).outcome == "told"
    assert one(fault("partition", met=[11.0]), series({})).outcome == "silent"


def test_what_lies_in_wait_is_told_from_when_it_was_met() -> None:
    later = fault("half-open", ended_at=AT, met=[20.0])

    assert deadline(later) == 20.0 + TOLD_SECONDS_MAX
    told = one(later, series({"engine_failures_total[nats]": 1.0}, from_=22))
    assert told.seconds == pytest.approx(2.1)


def test_a_process_that_is_new_counts_from_nothing() -> None:
    """Three before, one after: it rose by one."""
    before, name = count(), "model_failures_total"
    samples = [
        Sample(float(n), n + 0.1, {START: 1.0, name: 3.0} if n < AT else {START: 2.0, name: 1.0})
        for n in (next(before) for _ in range(30))
    ]
    shown = {"agents-1": samples}

    assert one(fault("provider-429"), shown).outcome == "told"


def test_only_what_tells_faults_is_kept_of_a_scrape() -> None:
    values = parsed(_EXPOSED)

    assert values == {
        START: 1.5e9,
        "engine_up[nats]": 0.0,
        "engine_failures_total[nats]": 2.0,
        "projection_rebuilds_total": 5.0,
        "model_failures_total": 3.0,
        "clock_offset_seconds": -3600.0,
        "engine_round_trip_seconds_slow[nats]": 3.0,
        "model_call_seconds_slow": 1.0,
    }


_EXPOSED = """\
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.5e+09
process_open_fds 12.0
engine_up{engine="nats"} 0.0
engine_failures_total{engine="nats"} 2.0
projection_rebuilds_total{projection="runs"} 1.0
projection_rebuilds_total{projection="search"} 4.0
model_failures_total{model="openai/x",reason="timeout"} 1.0
model_failures_total{model="openai/x",reason="garbage"} 2.0
clock_offset_seconds -3600.0
engine_round_trip_seconds_bucket{engine="nats",le="0.1"} 7.0
engine_round_trip_seconds_bucket{engine="nats",le="0.25"} 8.0
engine_round_trip_seconds_bucket{engine="nats",le="+Inf"} 10.0
engine_round_trip_seconds_count{engine="nats"} 10.0
engine_round_trip_seconds_sum{engine="nats"} 4.2
model_call_seconds_bucket{le="0.5",model="openai/x"} 4.0
model_call_seconds_count{model="openai/x"} 5.0
"""
