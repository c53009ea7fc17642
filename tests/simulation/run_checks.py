"""What must hold of runs when everything has come to rest: one end each, and no call made or paid for twice."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from aigestion.events.recorded import Recorded
from tests.simulation.agents import ENDS, LIMITS, Model
from tests.simulation.world import World


def run_violations(world: World, events: list[Recorded[Any]]) -> Iterator[str]:
    """Every promise about runs that was broken."""
    yield from _one_end_each(events)
    yield from _calls(events, world.durable.model)
    yield from _steps_in_order(events)


def open_runs(world: World) -> int:
    """How many messages wait for their end, read off the stored rows."""
    heard = ended = 0
    for one in world.database.log.events:
        heard += one.type == "user.chat"
        ended += one.type in ENDS
    return heard - ended


def _one_end_each(events: list[Recorded[Any]]) -> Iterator[str]:
    ends: defaultdict[Any, list[str]] = defaultdict(list)
    for one in events:
        if one.type in ENDS:
            ends[one.data.in_reply_to].append(f"{one.type} at {one.position}")
    for one in events:
        if one.type == "user.chat" and len(found := ends.pop(one.id, [])) != 1:
            yield f"the message at {one.position} has {len(found)} ends: {found}"
    for cause, found in ends.items():
        yield f"{found} reply to {cause}, which nobody said"


def _calls(events: list[Recorded[Any]], model: Model) -> Iterator[str]:
    requested = Counter(one.data.call_id for one in events if one.type == "model.requested")
    ended = Counter(
        one.data.call_id for one in events if one.type in ("model.completed", "model.failed")
    )
    for call_id, times in model.asked.items():
        if times > 1:
            yield f"the model was asked {times} times for the call {call_id}"
        if requested[call_id] != 1:
            yield f"the model was asked for the call {call_id}, recorded {requested[call_id]} times"
    for call_id in requested:
        if ended[call_id] != 1:
            yield f"the call {call_id} has {ended[call_id]} ends"
    said = {
        one.data.run_id: model.said[one.data.call_id]
        for one in events
        if one.type == "model.completed"
    }
    for one in events:
        if one.type == "agent.replied" and one.data.text != said.get(one.data.run_id):
            yield f"the reply at {one.position} is not what the model said"


def _steps_in_order(events: list[Recorded[Any]]) -> Iterator[str]:
    """A run starts once, asks no more often than it may, has one call open at a time, and ends."""
    runs: defaultdict[Any, list[str]] = defaultdict(list)
    for one in events:
        if (run_id := getattr(one.data, "run_id", None)) is not None:
            runs[run_id].append(one.type)
    for run_id, steps in runs.items():
        steps = [step for step in steps if step != "run.cancel_requested"]
        told = f"the run {run_id} went {' '.join(steps)}"
        if steps.count("run.started") != 1 or steps[0] != "run.started":
            yield f"{told}: it did not start once"
        if any(step in ENDS for step in steps[:-1]):
            yield f"{told}: it went on behind its end"
        calls = [step for step in steps if step.startswith("model.")]
        if any(first == second == "model.requested" for first, second in pairwise(calls)):
            yield f"{told}: two calls were open"
        if steps.count("model.requested") > LIMITS.attempts_max:
            yield f"{told}: too many calls"
