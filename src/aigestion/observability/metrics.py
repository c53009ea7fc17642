"""Metrics of a role, read off the attributes of its parts when somebody scrapes."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

from aigestion.agents.model_calls import ModelCalls
from aigestion.kernel.timings import Timings
from aigestion.messaging.relay import Relay
from aigestion.messaging.subscription import Subscription
from aigestion.observability.engines import Engine
from aigestion.observability.lag import HeadWatch
from aigestion.observability.wall_clock import WallClock
from aigestion.projections.progress import Progress
from aigestion.readcache.cached import Cached

Collect = Callable[[], Iterator[Metric]]


class _Collected(Collector):
    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        return self._collect()


def registry_of(*collects: Collect) -> CollectorRegistry:
    """A registry of what a process has to tell, and of the process itself: when it began, what it takes."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for collect in collects:
        registry.register(_Collected(collect))
    return registry


def log_metrics(watch: HeadWatch) -> Collect:
    """Positions everywhere: who is behind whom is a subtraction (law 2)."""

    def collect() -> Iterator[Metric]:
        yield _gauge("eventlog_head_position", "Last position this process knows of.", watch.head)

    return collect


def engine_metrics(
    engines: Sequence[Engine], wall_clock: WallClock, offset: Callable[[], float | None]
) -> Collect:
    """Each engine as it shows to this process, and the process's clock; `offset`: from PostgreSQL's."""

    def collect() -> Iterator[Metric]:
        up = GaugeMetricFamily("engine_up", "1 if it answered last time.", labels=["engine"])
        failures = _counters("engine_failures", "Times it did not answer.", "engine")
        reconnects = _counters("engine_reconnects", "Times the connection was lost.", "engine")
        round_trips = _histograms("engine_round_trip_seconds", "There and back.", "engine")
        for engine in engines:
            labels = [engine.name]
            if engine.is_up is not None:
                up.add_metric(labels, float(engine.is_up))
            failures.add_metric(labels, engine.failures)
            reconnects.add_metric(labels, engine.reconnects)
            _add(round_trips, labels, engine.round_trips)
        yield from (up, failures, reconnects, round_trips)
        yield _counter("clock_steps", "Times this machine's clock was set.", wall_clock.steps)
        if (ahead := offset()) is not None:
            yield _gauge("clock_offset_seconds", "How far it is ahead of the log's.", ahead)

    return collect


def relay_metrics(relay: Relay, watch: HeadWatch) -> Collect:
    """What the relay does; a standby counts nothing."""

    def collect() -> Iterator[Metric]:
        yield _gauge("relay_is_leader", "1 on the process that publishes.", relay.is_leader)
        stopped = relay.stopped_because is not None
        yield _gauge("relay_stopped", "1 if a person must decide.", stopped)
        if relay.last_position is not None:
            last = relay.last_position
            yield _gauge("broker_last_sequence", "The broker's last sequence.", last)
            yield _gauge("relay_lag_events", "Events not yet published.", watch.lag_events(last))
            seconds = watch.lag_seconds(last)
            yield _gauge("relay_lag_seconds", "For how long the oldest one waits.", seconds)
            stalled = watch.stalled("relay")
            yield _gauge("relay_stalled", "1 if the head moves and the relay does not.", stalled)
        yield _counter("relay_tenures", "Times this process began to lead.", relay.tenures)
        yield _counter("relay_published", "Events published.", relay.published)
        yield _counter("relay_rewinds", "Times the broker had lost something.", relay.rewinds)
        yield _counter("relay_retries", "Times the relay started over.", relay.retries)

    return collect


def broker_metrics(missing: Callable[[], int]) -> Collect:
    """What the broker's stream lacks between its first and its last message."""

    def collect() -> Iterator[Metric]:
        yield _gauge("broker_missing_events", "Holes in the broker's stream.", missing())

    return collect


def subscription_metrics(subscription: Subscription) -> Collect:
    """What the broker failed to bring."""

    def collect() -> Iterator[Metric]:
        yield _counter("subscription_gaps", "Holes in what the broker sent.", subscription.gaps)
        yield _counter(
            "subscription_lost_tails", "Tails the broker kept silent of.", subscription.lost_tails
        )

    return collect


def projection_metrics(progress: Progress, watch: HeadWatch) -> Collect:
    """Each read model, as this process knows it."""

    def collect() -> Iterator[Metric]:
        families = {
            name: GaugeMetricFamily(f"projection_{name}", documentation, labels=["projection"])
            for name, documentation in (
                ("position", "What the serving view reflects."),
                ("stuck", "1 while its line does not move because of an error."),
                ("lag_events", "Events the log is ahead of it."),
                ("lag_seconds", "For how long the log has been ahead of it."),
                ("stalled", "1 if the head moves and the read model does not."),
                ("parked_events", "Events in quarantine."),
                ("parked_keys", "Keys whose events are in quarantine."),
            )
        }
        rebuilds = _counters(
            "projection_rebuilds", "Views this process began to build.", "projection"
        )
        for line in progress.status():
            values = {
                "position": line.position,
                "stuck": line.state in ("retrying", "stopped"),
                "lag_events": watch.lag_events(line.position),
                "lag_seconds": watch.lag_seconds(line.position),
                "stalled": watch.stalled(line.projection),
                "parked_events": line.parked_events,
                "parked_keys": len(line.parked),
            }
            for name, value in values.items():
                families[name].add_metric([line.projection], float(value))
            rebuilds.add_metric([line.projection], line.rebuilds)
        yield from families.values()
        yield rebuilds

    return collect


def agent_metrics(going_on: Callable[[], int], calls: ModelCalls) -> Collect:
    """The reactions of this process, and its calls to models."""

    def collect() -> Iterator[Metric]:
        yield _gauge("agent_reactions_going_on", "Reactions under way or waiting.", going_on())
        seconds = _histograms("model_call_seconds", "From the call to its end.", "model")
        failures = _counters("model_failures", "Calls without a whole answer.", "model", "reason")
        for model, timings in calls.seconds.items():
            _add(seconds, [model], timings)
        for (model, reason), count in calls.failures.items():
            failures.add_metric([model, reason], count)
        yield from (seconds, failures)

    return collect


def cache_metrics(cached: Cached) -> Collect:
    """What the read cache spares."""

    def collect() -> Iterator[Metric]:
        yield _counter("read_cache_hits", "Answers that were remembered.", cached.hits)
        yield _counter("read_cache_misses", "Answers that were asked for.", cached.misses)

    return collect


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, value=float(value))


def _counter(name: str, documentation: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, documentation, value=float(value))


def _counters(name: str, documentation: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, documentation, labels=labels)


def _histograms(name: str, documentation: str, *labels: str) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, documentation, labels=labels)


def _add(family: HistogramMetricFamily, labels: Sequence[str], timings: Timings) -> None:
    bounds = (*map(floatToGoString, timings.buckets), "+Inf")
    counts = accumulate(timings.counts)
    family.add_metric(labels, list(zip(bounds, counts, strict=True)), timings.sum)
