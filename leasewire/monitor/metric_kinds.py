"""The kinds of metrics: each has a name, a help, and values that it takes from the figures."""

from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from leasewire.monitor.figures import Figures
from leasewire.monitor.metric_values import Values
from worker.store.watches import BUCKETS_S, ActedTimes


class Family(NamedTuple):
    """One metric.

    Attributes:
        name: without the prefix `leasewire_`, with its labels in braces; a counter ends with
            `_total`.
        help: what it means.
        values: label values -> value; one value for a metric without labels.
    """

    name: str
    help: str
    values: Callable[[Figures], Values | float]

    def metric(self, figures: Figures) -> Metric:
        """The metric with its values."""
        name, _, labels = self.name.removesuffix("}").partition("{")
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = kind(
            f"leasewire_{name.removesuffix('_total')}",
            self.help,
            labels=tuple(labels.split(",")) if labels else (),
        )
        found = self.values(figures)
        for at, value in ({(): found} if isinstance(found, int | float) else found).items():
            family.add_metric(at, float(value))
        return family


class Histogram(NamedTuple):
    """A metric that counts times in buckets.

    Attributes:
        name: without the prefix `leasewire_`.
        labels: of each histogram.
        help: what it means.
        values: label values -> the times.
    """

    name: str
    labels: tuple[str, ...]
    help: str
    values: Callable[[Figures], Mapping[tuple[str, str], ActedTimes]]

    def metric(self, figures: Figures) -> Metric:
        """The metric with its values."""
        family = HistogramMetricFamily(f"leasewire_{self.name}", self.help, labels=self.labels)
        for at, times in self.values(figures).items():
            counts = list(accumulate(times.buckets))
            limits = [*map(str, map(float, BUCKETS_S)), "+Inf"]
            buckets = list(zip(limits, counts, strict=True))
            family.add_metric(at, buckets, times.sum_ms / 1000)
        return family
