"""Prometheus metrics, with the names users rely on.

Requests count in plain numbers, which the library is told before each scrape. Several workers share prometheus-client's files
(`PROMETHEUS_MULTIPROC_DIR`), one set for each worker slot rather than each PID, so that restarts do not leave files behind for ever; what
a worker counts is there within `SHARE_S`. Counters and histograms are summed over the
workers that ever were; gauges are of those that live. Labels are bounded: `model` is the configured name, and once a label has had
200 client-made values the next read `other`. What each metric means: docs/metrics.md; a test compares the two.
"""

import asyncio
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import prometheus_client as prom
from prometheus_client import values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from .. import __version__
from ..hub.response import Usage
from . import slots

LABEL_LIMIT = 200
SHARE_S = 0.25

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)
_OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)


GaugeMode = Literal["livesum", "livemin", "livemax"]
"""How the values of the workers become one."""

_GAUGES: dict[str, tuple[str, GaugeMode]] = {
    "llm_converter_in_flight": ("Requests being served", "livesum"),
    "llm_converter_workers": ("Worker processes that live", "livesum"),
    "llm_converter_store_up": ("Whether every worker reaches the store", "livemin"),
    "llm_converter_limiter_up": ("Whether every worker reaches what keeps the rate limits", "livemin"),
    "llm_converter_usage_spooled_records": ("Usage records waiting for the store", "livesum"),
    "llm_converter_usage_spooled_bytes": ("Size of the usage records waiting for the store", "livesum"),
}
"""There is no series before the first value: what a gateway does not have is not down."""

prom.disable_created_metrics()  # type: ignore[no-untyped-call]  # series with the time each other series began: no one asks for them


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


class _Counted:
    """A counter's series, as requests use it: the library's own, with its lock, its checks and its file, is told now and then."""

    __slots__ = ("_child", "_fresh")

    def __init__(self, child: Any) -> None:
        self._child = child
        self._fresh: Any = 0

    def inc(self, amount: float | Decimal = 1) -> None:
        """So many more; of one series in one type."""
        self._fresh += amount

    def flush(self) -> None:
        """Tell the library."""
        if self._fresh:
            self._child.inc(float(self._fresh))
            self._fresh = 0


class _Spread:
    """A histogram's series in the same way. The library takes values one at a time only, so that what was gathered goes to the parts of
    its child (`_buckets`, `_sum`); a test holds what comes out against `observe`.
    """

    __slots__ = ("_bounds", "_child", "_counts", "_sum")

    def __init__(self, child: Any) -> None:
        self._child = child
        self._bounds = child._upper_bounds
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """One value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def flush(self) -> None:
        """Tell the library."""
        counts = self._counts
        if any(counts):
            self._child._sum.inc(self._sum)
            for bucket, count in zip(self._child._buckets, counts, strict=True):
                if count:
                    bucket.inc(count)
            self._counts, self._sum = [0] * len(counts), 0.0


_Series = TypeVar("_Series", _Counted, _Spread)


class _Labelled(Generic[_Series]):
    """A metric's series, looked up once a label set."""

    __slots__ = ("_made", "_metric", "_series")

    def __init__(self, metric: Any, made: Callable[[Any], _Series]) -> None:
        self._metric = metric
        self._made: Callable[[Any], _Series] = made
        self._series: dict[tuple[str, ...], _Series] = {}

    def __getitem__(self, labels: tuple[str, ...]) -> _Series:
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = self._made(self._metric.labels(*labels) if labels else self._metric)
        return series

    def flush(self) -> None:
        """Tell the library what is new."""
        for series in self._series.values():
            series.flush()


class Metrics:
    """Every metric of the gateway. `slot` is this worker's number when several share `directory`."""

    def __init__(self, directory: str | None = None, slot: int = 0) -> None:
        if directory is not None:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
            values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
            mark_process_dead(slot, directory)  # type: ignore[no-untyped-call]  # the gauges of whoever had this slot before
        self._directory = directory
        self.registry = prom.CollectorRegistry()
        self._gathered: list[_Labelled[_Counted] | _Labelled[_Spread]] = []
        who = ("client_protocol", "provider", "model")
        sides = ("client_protocol", "upstream_protocol")
        self.duration = self._histogram("gen_ai_server_request_duration_seconds", "Time from request to end of answer", who, _SECONDS)
        self.first_token = self._histogram(
            "gen_ai_server_time_to_first_token_seconds", "Time from request to the first piece of the answer", who, _SECONDS)
        self.tokens = self._histogram("gen_ai_client_token_usage", "Tokens a request", (*who, "gen_ai_token_type"), _TOKENS)
        self.requests = self._counter("llm_converter_requests_total", "Requests", (*sides, "provider", "model", "status"))
        self.overhead = self._histogram(
            "llm_converter_overhead_seconds", "The gateway's own time before the upstream call", sides, _OVERHEAD)
        self.losses = self._counter("llm_converter_losses_total", "What conversion could not keep", (*sides, "feature", "action"))
        self.upstream_errors = self._counter("llm_converter_upstream_errors_total", "Failed upstream calls", ("provider", "kind"))
        self.unknown_items = self._counter(
            "llm_converter_unknown_wire_items_total", "Wire items no decoder knows", ("protocol", "where", "name"))
        self._cached = self._counter(
            "llm_converter_cached_tokens_total", "Input tokens read from and written to upstream caches", (*who, "direction"))
        self._cost = self._counter(
            "llm_converter_cost_usd_total", "What the calls cost, where their price is known", ("provider", "model", "team"))
        self._unpriced = self._counter(
            "llm_converter_unpriced_calls_total", "Calls that used tokens whose price is not known", ("provider", "model"))
        self._rate_limited = self._counter("llm_converter_rate_limited_total", "Requests refused by a rate limit", ("scope", "dimension"))
        self._over_budget = self._counter("llm_converter_budget_refused_total", "Requests refused by a spent budget", ("scope", "period"))
        self._limiter_failures = self._counter(
            "llm_converter_limiter_failures_total", "Decisions made without the limiter, which was away", ("decided",))
        self._spool_dropped = self._counter("llm_converter_usage_dropped_total", "Usage records given up because the spool was full", ())
        self._log_dropped = prom.Counter(  # told by the thread that writes them
            "llm_converter_log_lines_dropped_total", "Log lines that could not be written", registry=self.registry)
        self._gauges: dict[str, prom.Gauge] = {}
        self._set("llm_converter_workers", 1)
        prom.Gauge("llm_converter_build_info", "Version of the gateway", ("version",), registry=self.registry,
                   multiprocess_mode="livemax").labels(__version__).set(1)
        self.in_flight = 0
        self.model_label = Bounded()
        self.team_label = Bounded()
        self.feature_label = Bounded()
        self.item_label = Bounded()

    def _histogram(self, name: str, text: str, labels: tuple[str, ...], buckets: Iterable[float]) -> _Labelled[_Spread]:
        made = _Labelled(prom.Histogram(name, text, labels, registry=self.registry, buckets=tuple(buckets)), _Spread)
        self._gathered.append(made)
        return made

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> _Labelled[_Counted]:
        made = _Labelled(prom.Counter(name, text, labels, registry=self.registry), _Counted)
        self._gathered.append(made)
        return made

    def _set(self, name: str, value: float) -> None:
        gauge = self._gauges.get(name)
        if gauge is None:
            text, mode = _GAUGES[name]
            gauge = self._gauges[name] = prom.Gauge(name, text, registry=self.registry, multiprocess_mode=mode)
        gauge.set(value)

    def enter(self, count: int = 1) -> None:
        """A request begins (or ends: -1)."""
        self.in_flight += count

    def used(self, client_protocol: str, provider: str, model: str, usage: Usage) -> None:
        """The tokens of one call. `model` is a label already."""
        self.tokens[client_protocol, provider, model, "input"].observe(usage.input_total)
        self.tokens[client_protocol, provider, model, "output"].observe(usage.output_total)
        if usage.cache_read:
            self._cached[client_protocol, provider, model, "read"].inc(usage.cache_read)
        if usage.cache_write:
            self._cached[client_protocol, provider, model, "write"].inc(usage.cache_write)

    def spent(self, provider: str, model: str, team: str | None, usd: Decimal | None) -> None:
        """The cost of one call that used tokens; None: its price is not known. `model` is a label already."""
        if usd is None:
            self._unpriced[provider, model].inc()
        else:
            self._cost[provider, model, self.team_label(team) if team else ""].inc(usd)

    def rate_limited(self, scope: str, dimension: str) -> None:
        """A request was refused. `scope` as the rule has it (`key:ID`, `team:NAME`, ...): only its kind becomes a label."""
        self._rate_limited[scope.partition(":")[0], dimension].inc()

    def budget_refused(self, scope: str, period: str) -> None:
        """A request was refused because the budget of a key or team is spent; `scope` as for `rate_limited`."""
        self._over_budget[scope.partition(":")[0], period].inc()

    def limiter_failed(self, *, let_in: bool) -> None:
        """A request was let in, or not, because the limiter's back end is away."""
        self._limiter_failures[("let_in" if let_in else "refused",)].inc()

    def store_up(self, up: bool) -> None:
        """Whether this worker reaches the store."""
        self._set("llm_converter_store_up", up)

    def limiter_up(self, up: bool) -> None:
        """Whether this worker reaches the back end of its rate limits."""
        self._set("llm_converter_limiter_up", up)

    def spooled(self, records: int, size_bytes: int) -> None:
        """What waits in this worker's spool now."""
        self._set("llm_converter_usage_spooled_records", records)
        self._set("llm_converter_usage_spooled_bytes", size_bytes)

    def usage_dropped(self, records: int) -> None:
        """Usage records were given up."""
        self._spool_dropped[()].inc(records)

    def log_dropped(self, lines: int) -> None:
        """Log lines were given up."""
        self._log_dropped.inc(lines)

    def flush(self) -> None:
        """Give what was gathered to the library. On the event loop, as everything that gathers."""
        for metric in self._gathered:
            metric.flush()
        self._set("llm_converter_in_flight", self.in_flight)

    async def share(self) -> None:
        """Let the other workers see what this one counts, as long as it lives; where there are none, `flush` before `expose` will do."""
        while self._directory is not None:
            await asyncio.sleep(SHARE_S)
            self.flush()

    def expose(self) -> bytes:
        """The text format, summed over the workers: of this one what it has flushed, of the others what they last shared."""
        if self._directory is None:
            return prom.generate_latest(self.registry)
        with slots.dead(Path(self._directory)) as gone:
            for slot in gone:
                mark_process_dead(slot, self._directory)  # type: ignore[no-untyped-call]
        registry = prom.CollectorRegistry()
        MultiProcessCollector(registry, path=self._directory)  # type: ignore[no-untyped-call]
        return prom.generate_latest(registry)
