"""P12: every fault is told by a metric within 15 seconds after its end. Which metric tells which fault is a table here.

That a signal changed is what is asked, not that this fault alone changed it: two faults at once may be told by one.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from aigestion.prove.checker import Violation
from aigestion.prove.history import Fault
from aigestion.prove.scrape import Sample, Series

TOLD_SECONDS_MAX = 15.0
NEXT_LOOK_SECONDS = 2.0
CLOCK_SECONDS_MIN = 60.0
ENGINES = ("postgres", "nats")


class Signal(msgspec.Struct, frozen=True):
    """One thing that a scrape can show: `rose` and `beyond` of a metric, `restarted` and `away` of a process."""

    what: Literal["rose", "beyond", "restarted", "away", "all restarted"]
    of: str = ""
    """The metric, as `scrape.Values` names it."""
    at: str = ""
    """The process, or the beginning of its name; all of them if empty."""
    limit: float = 0.0

    def __str__(self) -> str:
        return self.of or self.what


class Verdict(msgspec.Struct, frozen=True):
    """Whether a fault was told."""

    fault: Fault
    outcome: Literal["told", "met nothing", "silent"]
    seconds: float | None = None
    """From the fault, or where it lies in wait from when something met it, to the scrape that told it."""
    by: tuple[str, ...] = ()
    """What told it first, for each thing there was to tell."""
    lacking: tuple[str, ...] = ()
    """What would have told it."""


def signals(fault: Fault) -> list[tuple[Signal, ...]]:
    """What tells this fault: one signal of each group must. None at all for one that nothing could meet."""
    victims = fault.victims
    match fault.kind.partition("-"):
        case "kill", _, _:
            return [_killed(victim) for victim in victims]
        case "pause", _, _:
            taken_over = Signal("rose", "relay_tenures_total")
            return [(Signal("away", at=one), taken_over, _restarted(one)) for one in victims]
        case "broker" | "stream", _, _:
            return _lost(fault, Signal("rose", "relay_rewinds_total"), *_FORGETFUL_RELAYS)
        case "block", _, _:
            told = ("broker_missing_events", "relay_rewinds_total")
            return _lost(fault, *(Signal("rose", one) for one in told), *_FORGETFUL_RELAYS)
        case "message", _, _:
            reader = victims[0]
            missed = ("subscription_gaps_total", "subscription_lost_tails_total")
            holes = Signal("rose", "broker_missing_events")
            told_there = (Signal("rose", one, reader) for one in missed)
            return _lost(fault, *told_there, holes, _restarted(reader))
        case "disk", _, _:
            return [(Signal("rose", "relay_retries_total"), *_killed("nats"))]
        case "postgres", _, _:
            return [_killed("postgres")]
        case "views", _, _:
            return [(Signal("rose", "projection_rebuilds_total"), _restarted("project"))]
        case "clock", _, _:
            steps = Signal("rose", "clock_steps_total", victims[0])
            off = Signal("beyond", "clock_offset_seconds", victims[0], CLOCK_SECONDS_MIN)
            return [(steps, off, _restarted(victims[0]))]
        case "provider", _, _:
            return [(Signal("rose", "model_failures_total"), _restarted("agents"))]
        case _:
            return [_of_edge(victims[0])]


def _lost(fault: Fault, *signals: Signal) -> list[tuple[Signal, ...]]:
    """That messages are lost is told beside the kill that goes with it."""
    return [_killed("nats"), signals] if fault.lost_messages else []


def _restarted(node: str) -> Signal:
    return Signal("restarted", at=node)


_FORGETFUL_RELAYS = (_restarted("relay"), Signal("rose", "relay_tenures_total"))
"""Who leads anew does not know what the broker had acknowledged to another."""


def _killed(victim: str) -> tuple[Signal, ...]:
    """A server is told by those that lose it; if all of them are new they have never had it."""
    if victim not in ENGINES:
        return (_restarted(victim), Signal("away", at=victim))
    lost = ("engine_reconnects_total", "engine_failures_total")
    return (*(Signal("rose", f"{name}[{victim}]") for name in lost), Signal("all restarted"))


def _of_edge(edge: str) -> tuple[Signal, ...]:
    """A network is told by the process at its end."""
    node, _, server = edge.partition("→")
    if server == "provider":
        told = ("model_failures_total", "model_call_seconds_slow")
    else:
        names = ("reconnects_total", "failures_total", "round_trip_seconds_slow")
        told = tuple(f"engine_{name}[{server}]" for name in names)  # type: ignore[assignment]
    return (*(Signal("rose", name, node) for name in told), _restarted(node))


Table = Callable[[Fault], list[tuple[Signal, ...]]]


def judged(faults: Sequence[Fault], series: Series, table: Table = signals) -> list[Verdict]:
    """Of every fault whether it was told in time, by nothing but what was scraped."""
    return [_judged(fault, series, table(fault)) for fault in faults]


def silences(verdicts: Sequence[Verdict]) -> Iterator[Violation]:
    """The faults that nothing told."""
    for one in verdicts:
        if one.outcome == "silent":
            fault = one.fault
            where = f"{fault.kind} of {', '.join(fault.victims)} at {fault.at:g} s"
            told = f"{where} changed none of {', '.join(one.lacking)}"
            yield Violation("silent", told)


def deadline(fault: Fault) -> float:
    """Until when it may be told. What changes long after one that nothing met is another's."""
    patience = NEXT_LOOK_SECONDS if fault.met == [] else TOLD_SECONDS_MAX
    return max(fault.ended_at, *(fault.met or (0.0,))) + patience


def _judged(fault: Fault, series: Series, groups: Sequence[tuple[Signal, ...]]) -> Verdict:
    if not groups:
        return Verdict(fault, "met nothing")
    seen: list[tuple[float, str]] = []
    for group in groups:
        found = [
            (at, str(signal))
            for signal in group
            # A process that was killed cannot tell what it met before; but here it met nothing.
            if fault.met != [] or "restarted" not in signal.what
            if (at := _first(signal, series, fault.at, deadline(fault))) is not None
        ]
        if found:
            seen.append(min(found))
        elif fault.met == []:
            return Verdict(fault, "met nothing")
        else:
            return Verdict(fault, "silent", lacking=tuple(dict.fromkeys(map(str, group))))
    lies_in_wait = fault.kind == "half-open" and fault.met
    since = fault.met[0] if lies_in_wait and fault.met else fault.at
    seconds = max(0.0, max(at for at, _ in seen) - since)
    return Verdict(fault, "told", round(seconds, 2), tuple(dict.fromkeys(by for _, by in seen)))


def _first(signal: Signal, series: Series, since: float, until: float) -> float | None:
    """When a scrape showed it first."""
    of = {name: samples for name, samples in series.items() if name.startswith(signal.at)}
    if signal.what == "all restarted":
        each = [_first_of(Signal("restarted"), samples, since, until) for samples in of.values()]
        known = [at for at in each if at is not None]
        return max(known) if known and len(known) == len(each) else None
    found = (_first_of(signal, samples, since, until) for samples in of.values())
    return min((at for at in found if at is not None), default=None)


def _first_of(
    signal: Signal, samples: Sequence[Sample], since: float, until: float
) -> float | None:
    start = bisect_right(samples, since, key=_ended_at)
    before = next((one.values for one in reversed(samples[:start]) if one.values), {})
    for sample in samples[start : bisect_right(samples, until, key=_ended_at)]:
        if _shows(signal, before, sample.values):
            return sample.ended_at
    return None


def _ended_at(sample: Sample) -> float:
    return sample.ended_at


def _shows(signal: Signal, before: Mapping[str, float], after: Mapping[str, float] | None) -> bool:
    if signal.what == "away" or after is None:
        return signal.what == "away" and after is None
    is_new = before.get(_START) != after.get(_START)
    match signal.what:
        case "rose":
            return after.get(signal.of, 0.0) > (0.0 if is_new else before.get(signal.of, 0.0))
        case "beyond":
            return abs(after.get(signal.of, 0.0)) > signal.limit
        case _:
            return is_new and bool(before)


_START = "process_start_time_seconds"
