"""`/metrics` of every process about once a second, as a Prometheus would see them, cut down to what tells faults."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aigestion.prove.node import Node

PAUSE_SECONDS = 1.0
FAMILIES = (
    "process_start_time_seconds",
    "engine_up",
    "engine_failures_total",
    "engine_reconnects_total",
    "clock_steps_total",
    "clock_offset_seconds",
    "relay_rewinds_total",
    "relay_retries_total",
    "relay_tenures_total",
    "broker_missing_events",
    "subscription_gaps_total",
    "subscription_lost_tails_total",
    "projection_rebuilds_total",
    "model_failures_total",
)
SLOW = {"engine_round_trip_seconds": "0.1", "model_call_seconds": "0.5"}
"""Histograms of which the calls are counted that took longer than this bound, as `<name>_slow`."""
_LINE = re.compile(
    rf"^({'|'.join((*FAMILIES, *(f'{name}_(?:bucket|count)' for name in SLOW)))})(?:\{{(.*)\}})? (\S+)$",
    re.MULTILINE,
)
_ENGINE = re.compile(r'\bengine="([^"]*)"')

Values = Mapping[str, float]
"""By the family's name, with the engine's in brackets: `engine_up[nats]`; summed over all other labels."""


class Sample(NamedTuple):
    """One look at one process."""

    began_at: float
    ended_at: float
    values: Values | None
    """None if it did not answer."""


Series = Mapping[str, Sequence[Sample]]
"""By the process's name, in order."""


def parsed(text: str) -> Values:
    """What tells faults, of what a process exposes."""
    found: defaultdict[str, float] = defaultdict(float)
    for name, labels, value in _LINE.findall(text):
        family = name
        for slow, bound in SLOW.items():
            if name == f"{slow}_count":
                family = f"{slow}_slow"
            elif name == f"{slow}_bucket":
                if f'le="{bound}"' not in labels:
                    break
                family, value = f"{slow}_slow", -float(value)
        else:
            engine = _ENGINE.search(labels)
            found[f"{family}[{engine[1]}]" if engine else family] += float(value)
    return dict(found)


class Scraper:
    """All that was seen of every process."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` as the history counts."""
        self.series: dict[str, list[Sample]] = {}
        self._now = now

    async def watch(self, nodes: Sequence[Node]) -> None:
        """Look again and again, for ever; at each by itself, for one may hang."""
        async with asyncio.TaskGroup() as tasks:
            for node in nodes:
                tasks.create_task(self._watch(node))

    async def _watch(self, node: Node) -> None:
        samples = self.series.setdefault(node.name, [])
        while True:
            began = self._now()
            status, text = await node.get("/metrics")
            values = parsed(text) if status == 200 else None
            samples.append(Sample(began, self._now(), values))
            await asyncio.sleep(PAUSE_SECONDS)
