"""Prometheus metrics with TensorFlow Serving's names, labels, units and buckets.

Differs from TensorFlow Serving: a model that is not served is counted under an empty name, like malformed paths, so
that no client can increase the number of series.
"""
import re
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

_PREFIX = ":tensorflow:serving:"
_COUNTER_HEADER = re.compile(rb"^(# (?:HELP|TYPE) :tensorflow:serving:\S+)_total ", re.MULTILINE)

Labels = tuple[str, ...]


class Counter:
    """Counts that only increase, one per combination of labels."""

    def __init__(self, name: str, text: str, labels: Labels) -> None:
        self.name, self.text, self.labels = _PREFIX + name, text, labels
        self._values: defaultdict[Labels, int] = defaultdict(int)
        self._lock = threading.Lock()

    def add(self, *labels: str, count: int = 1) -> None:
        """Increases the count for some labels."""
        with self._lock:
            self._values[labels] += count

    def collect(self) -> Metric:
        """Returns the counts as a metric."""
        metric = Metric(self.name, self.text, "counter")
        with self._lock:
            values = dict(self._values)
        for labels, value in values.items():
            metric.add_sample(self.name, dict(zip(self.labels, labels, strict=True)), value)
        return metric


class Histogram:
    """Distributions over exponentially growing buckets, one per combination of labels."""

    def __init__(self, name: str, text: str, labels: Labels, *, scale: float, growth: float, buckets: int) -> None:
        self.name, self.text, self.labels = _PREFIX + name, text, labels
        self._bounds = [scale * growth**power for power in range(buckets)]
        self._counts: dict[Labels, list[int]] = {}
        self._sums: defaultdict[Labels, float] = defaultdict(float)
        self._lock = threading.Lock()

    def add(self, *labels: str, value: float) -> None:
        """Adds a value to the distribution for some labels."""
        bucket = bisect_left(self._bounds, value)
        with self._lock:
            counts = self._counts.get(labels)
            if counts is None:
                counts = self._counts[labels] = [0] * (len(self._bounds) + 1)
            counts[bucket] += 1
            self._sums[labels] += value

    def collect(self) -> Metric:
        """Returns the distributions as a metric."""
        metric = Metric(self.name, self.text, "histogram")
        with self._lock:
            values = [(labels, list(counts), self._sums[labels]) for labels, counts in self._counts.items()]
        limits = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        for labels, counts, total in values:
            named = dict(zip(self.labels, labels, strict=True))
            below = 0
            for limit, count in zip(limits, counts, strict=True):
                below += count
                metric.add_sample(f"{self.name}_bucket", {**named, "le": limit}, below)
            metric.add_sample(f"{self.name}_sum", named, total)
            metric.add_sample(f"{self.name}_count", named, below)
        return metric


class Metrics:
    """The metrics of a server; latencies are in microseconds, and of successful requests only."""

    def __init__(self) -> None:
        self.request_count = Counter("request_count", "The total number of requests.", ("model_name", "status"))
        self.request_latency = Histogram(
            "request_latency", "Distribution of wall time (in microseconds) for Tensorflow Serving request.",
            ("model_name", "API", "entrypoint"), scale=10, growth=1.8, buckets=33,
        )  # fmt: skip
        self.runtime_latency = Histogram(
            "runtime_latency", "Distribution of wall time (in microseconds) for Tensorflow runtime.",
            ("model_name", "API", "runtime"), scale=10, growth=1.8, buckets=33,
        )  # fmt: skip
        self.warmup_latency = Histogram(
            "model_warmup_latency", "Distribution of wall time (in microseconds) for warming up the model.",
            ("model_path", "status"), scale=10, growth=1.8, buckets=33,
        )  # fmt: skip
        self.warmup_records = Counter(
            "model_warmup_records_read", "Total number of warmup records read during model warmup.",
            ("model_path", "status"),
        )  # fmt: skip
        self.queuing_latency = Histogram(
            "batching_session:queuing_latency", "Distribution of wall time spent (in microseconds) in queuing",
            ("thread_pool_name",), scale=100, growth=1.2, buckets=52,
        )  # fmt: skip
        self.merged_calls = Counter(
            "batching_session:wrapped_run_count", "Total count of run calls on the wrapped session", ()
        )
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yields all metrics."""
        for each in list(vars(self).values()):
            if isinstance(each, (Counter, Histogram)):
                yield each.collect()

    def page(self) -> bytes:
        """Returns the metrics in Prometheus' text format."""
        # The library insists on `_total` in a counter's header; TensorFlow Serving does not write it.
        return _COUNTER_HEADER.sub(rb"\1 ", generate_latest(self._registry))
