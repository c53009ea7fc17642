"""What the notary tells whoever scrapes."""

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from aigestion.audit.notary import Notary
from aigestion.kernel.clock import Clock, utc_now


def notary_metrics(notary: Notary, clock: Clock = utc_now) -> Callable[[], Iterator[Metric]]:
    """The last checkpoint, as the process knows it that leads."""

    def collect() -> Iterator[Metric]:
        stopped = float(notary.stopped_because is not None)
        yield GaugeMetricFamily("notary_stopped", "1 if a person must look.", value=stopped)
        if notary.is_leader and notary.made_at is not None:
            covered = "Events the last checkpoint covers."
            yield GaugeMetricFamily("checkpoint_size", covered, value=notary.size)
            age = (clock() - notary.made_at).total_seconds()
            yield GaugeMetricFamily("checkpoint_age_seconds", "Since it was signed.", value=age)

    return collect
