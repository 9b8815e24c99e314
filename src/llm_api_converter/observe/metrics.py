"""Prometheus metrics, with the names users rely on.

One process keeps plain values; several workers share prometheus-client's files (`PROMETHEUS_MULTIPROC_DIR`), one set for each
worker slot rather than each PID, so that restarts do not leave files behind for ever. Labels are bounded: `model` is the
configured name, and once a label has had 200 client-made values the next read `other`.
"""

import os
from collections.abc import Iterable
from typing import Any

import prometheus_client as prom
from prometheus_client import values
from prometheus_client.multiprocess import MultiProcessCollector

LABEL_LIMIT = 200

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)
_OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)


class Bounded:
    """Lets the first `limit` different values of a label through; later ones read `other`."""

    __slots__ = ("_limit", "_seen")

    def __init__(self, limit: int = LABEL_LIMIT) -> None:
        self._seen: set[str] = set()
        self._limit = limit

    def __call__(self, value: str) -> str:
        """The value, or `other`."""
        seen = self._seen
        if value in seen:
            return value
        if len(seen) >= self._limit:
            return "other"
        seen.add(value)
        return value


class _Children:
    """A metric's labelled children, looked up once a label set."""

    __slots__ = ("_children", "_metric")

    def __init__(self, metric: Any) -> None:
        self._metric = metric
        self._children: dict[tuple[str, ...], Any] = {}

    def __getitem__(self, labels: tuple[str, ...]) -> Any:
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._metric.labels(*labels)
        return child


class Metrics:
    """Every metric of the gateway. `slot` is this worker's number when several share `directory`."""

    def __init__(self, directory: str | None = None, slot: int = 0) -> None:
        if directory is not None:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
            values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
        self._directory = directory
        self.registry = prom.CollectorRegistry()
        who = ("client_protocol", "provider", "model")
        self.duration = self._histogram("gen_ai_server_request_duration_seconds", "Time from request to end of answer", who, _SECONDS)
        self.first_token = self._histogram(
            "gen_ai_server_time_to_first_token_seconds", "Time from request to the first piece of the answer", who, _SECONDS)
        self.tokens = self._histogram("gen_ai_client_token_usage", "Tokens a request", (*who, "gen_ai_token_type"), _TOKENS)
        self.requests = self._counter(
            "llm_converter_requests_total", "Requests", ("client_protocol", "upstream_protocol", "provider", "model", "status"))
        self.overhead = self._histogram(
            "llm_converter_overhead_seconds", "The gateway's own time before the upstream call", ("client_protocol", "upstream_protocol"),
            _OVERHEAD)
        self.losses = self._counter(
            "llm_converter_losses_total", "What conversion could not keep", ("client_protocol", "upstream_protocol", "feature", "action"))
        self.upstream_errors = self._counter("llm_converter_upstream_errors_total", "Failed upstream calls", ("provider", "kind"))
        self.unknown_items = self._counter(
            "llm_converter_unknown_wire_items_total", "Wire items no decoder knows", ("protocol", "where", "name"))
        self._in_flight = prom.Gauge(
            "llm_converter_in_flight", "Requests being served", registry=self.registry, multiprocess_mode="livesum")
        self.in_flight = 0
        self.model_label = Bounded()
        self.feature_label = Bounded()
        self.item_label = Bounded()

    def _histogram(self, name: str, text: str, labels: tuple[str, ...], buckets: Iterable[float]) -> _Children:
        return _Children(prom.Histogram(name, text, labels, registry=self.registry, buckets=tuple(buckets)))

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> _Children:
        return _Children(prom.Counter(name, text, labels, registry=self.registry))

    def enter(self, count: int = 1) -> None:
        """A request begins (or ends: -1). Workers that share a folder write it down at once, for any of them may be scraped."""
        self.in_flight += count
        if self._directory is not None:
            self._in_flight.set(self.in_flight)

    def expose(self) -> bytes:
        """The text format, summed over the workers."""
        self._in_flight.set(self.in_flight)
        if self._directory is None:
            return prom.generate_latest(self.registry)
        registry = prom.CollectorRegistry()
        MultiProcessCollector(registry, path=self._directory)  # type: ignore[no-untyped-call]
        return prom.generate_latest(registry)
