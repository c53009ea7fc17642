"""Metrics of log, relay and read models, read off their own attributes when somebody scrapes."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from aigestion.messaging.relay import Relay
from aigestion.messaging.subscription import Subscription
from aigestion.projections.progress import Progress


class KnownHead:
    """The last position this process has seen committed."""

    def __init__(self, position: int) -> None:
        self.position = position

    def move(self, position: int) -> None:
        self.position = max(self.position, position)


class SystemCollector(Collector):
    """Positions everywhere: who is behind whom is a subtraction (law 2)."""

    def __init__(
        self,
        head: KnownHead,
        relay: Relay,
        subscription: Subscription,
        progress: Progress,
    ) -> None:
        self._head = head
        self._relay = relay
        self._subscription = subscription
        self._progress = progress

    def collect(self) -> Iterator[Metric]:
        relay, subscription = self._relay, self._subscription
        yield _gauge(
            "eventlog_head_position", "Last position this process knows of.", self._head.position
        )
        yield _gauge("relay_is_leader", "1 on the process that publishes.", relay.is_leader)
        yield _gauge(
            "relay_stopped", "1 if a person must decide.", relay.stopped_because is not None
        )
        if relay.last_position is not None:
            yield _gauge("broker_last_sequence", "The broker's last sequence.", relay.last_position)
        yield _counter("relay_published", "Events published.", relay.published)
        yield _counter("relay_rewinds", "Times the broker had lost something.", relay.rewinds)
        yield _counter("relay_retries", "Times the relay started over.", relay.retries)
        yield _counter("subscription_gaps", "Holes in what the broker sent.", subscription.gaps)
        yield _counter(
            "subscription_lost_tails", "Tails the broker kept silent of.", subscription.lost_tails
        )
        yield from self._projections()

    def _projections(self) -> Iterator[Metric]:
        position = GaugeMetricFamily(
            "projection_position", "What the serving view reflects.", labels=["projection"]
        )
        stuck = GaugeMetricFamily(
            "projection_stuck", "1 while its line does not move.", labels=["projection"]
        )
        events = GaugeMetricFamily(
            "projection_parked_events", "Events in quarantine.", labels=["projection"]
        )
        keys = GaugeMetricFamily(
            "projection_parked_keys", "Keys whose events are in quarantine.", labels=["projection"]
        )
        for line in self._progress.status():
            position.add_metric([line.projection], line.position)
            stuck.add_metric([line.projection], float(line.state in ("retrying", "stopped")))
            events.add_metric([line.projection], line.parked_events)
            keys.add_metric([line.projection], len(line.parked))
        yield from (position, stuck, events, keys)


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, value=float(value))


def _counter(name: str, documentation: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, documentation, value=float(value))
