"""Metrics of a role, read off the attributes of its parts when somebody scrapes."""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from aigestion.messaging.relay import Relay
from aigestion.messaging.subscription import Subscription
from aigestion.observability.lag import HeadWatch
from aigestion.projections.progress import Progress
from aigestion.readcache.cached import Cached

Collect = Callable[[], Iterator[Metric]]


class _Collected(Collector):
    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        return self._collect()


def registry_of(*collects: Collect) -> CollectorRegistry:
    """A registry of what a process has to tell."""
    registry = CollectorRegistry()
    for collect in collects:
        registry.register(_Collected(collect))
    return registry


def log_metrics(watch: HeadWatch) -> Collect:
    """Positions everywhere: who is behind whom is a subtraction (law 2)."""

    def collect() -> Iterator[Metric]:
        yield _gauge("eventlog_head_position", "Last position this process knows of.", watch.head)

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
        yield _counter("relay_published", "Events published.", relay.published)
        yield _counter("relay_rewinds", "Times the broker had lost something.", relay.rewinds)
        yield _counter("relay_retries", "Times the relay started over.", relay.retries)

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
        yield from families.values()

    return collect


def agent_metrics(going_on: Callable[[], int]) -> Collect:
    """The reactions of this process."""

    def collect() -> Iterator[Metric]:
        yield _gauge("agent_reactions_going_on", "Reactions under way or waiting.", going_on())

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
