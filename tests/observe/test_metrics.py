import math
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import prometheus_client as prom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from llm_api_converter.hub.response import Usage
from llm_api_converter.observe.metrics import _SECONDS, Bounded, Metrics

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


def test_a_label_stops_at_its_limit() -> None:
    label = Bounded(2)
    assert [label(x) for x in ("a", "b", "a", "c", "b", "d")] == ["a", "b", "a", "other", "b", "other"]


class Series(NamedTuple):
    name: str
    labels: dict[str, str]
    value: float


EVERYTHING = (
    Series("llm_converter_requests_total", {
        "client_protocol": "anthropic", "upstream_protocol": "openai_chat", "provider": "up", "model": "m", "status": "200"}, 1),
    Series("gen_ai_server_request_duration_seconds_sum", {"client_protocol": "anthropic", "provider": "up", "model": "m"}, 0.25),
    Series("gen_ai_server_time_to_first_token_seconds_sum", {"client_protocol": "anthropic", "provider": "up", "model": "m"}, 0.125),
    Series("gen_ai_client_token_usage_sum", {
        "client_protocol": "anthropic", "provider": "up", "model": "m", "gen_ai_token_type": "input"}, 1000),
    Series("gen_ai_client_token_usage_sum", {
        "client_protocol": "anthropic", "provider": "up", "model": "m", "gen_ai_token_type": "output"}, 50),
    Series("llm_converter_cached_tokens_total", {"client_protocol": "anthropic", "provider": "up", "model": "m", "direction": "read"}, 800),
    Series("llm_converter_cached_tokens_total", {"client_protocol": "anthropic", "provider": "up", "model": "m", "direction": "write"}, 100),
    Series("llm_converter_overhead_seconds_count", {"client_protocol": "anthropic", "upstream_protocol": "openai_chat"}, 1),
    Series("llm_converter_losses_total", {
        "client_protocol": "anthropic", "upstream_protocol": "openai_chat", "feature": "top_k", "action": "dropped"}, 1),
    Series("llm_converter_upstream_errors_total", {"provider": "up", "kind": "overloaded"}, 1),
    Series("llm_converter_unknown_wire_items_total", {"protocol": "openai_chat", "where": "stream", "name": "new"}, 1),
    Series("llm_converter_cost_usd_total", {"provider": "up", "model": "m", "team": "blue"}, 0.3),
    Series("llm_converter_cost_usd_total", {"provider": "up", "model": "m", "team": ""}, 1),
    Series("llm_converter_unpriced_calls_total", {"provider": "up", "model": "m"}, 1),
    Series("llm_converter_rate_limited_total", {"scope": "key", "dimension": "requests"}, 2),
    Series("llm_converter_rate_limited_total", {"scope": "global", "dimension": "tokens"}, 1),
    Series("llm_converter_budget_refused_total", {"scope": "team", "period": "day"}, 1),
    Series("llm_converter_limiter_failures_total", {"decided": "let_in"}, 1),
    Series("llm_converter_limiter_up", {}, 0),
    Series("llm_converter_store_up", {}, 1),
    Series("llm_converter_usage_spooled_records", {}, 7),
    Series("llm_converter_usage_spooled_bytes", {}, 4096),
    Series("llm_converter_usage_dropped_total", {}, 3),
    Series("llm_converter_log_lines_dropped_total", {}, 4),
    Series("llm_converter_in_flight", {}, 3),
    Series("llm_converter_workers", {}, 1),
)  # fmt: skip
"""What `fill` leaves, by every metric but the version."""


def fill(metrics: Metrics) -> None:
    who = ("anthropic", "up", "m")
    metrics.requests["anthropic", "openai_chat", "up", "m", "200"].inc()
    metrics.duration[who].observe(0.25)
    metrics.first_token[who].observe(0.125)
    metrics.used(*who, Usage(1000, 50, cache_read=800, cache_write=100))
    metrics.overhead["anthropic", "openai_chat"].observe(0.001)
    metrics.losses["anthropic", "openai_chat", "top_k", "dropped"].inc()
    metrics.upstream_errors["up", "overloaded"].inc()
    metrics.unknown_items["openai_chat", "stream", "new"].inc()
    for _ in range(3):
        metrics.spent("up", "m", "blue", Decimal("0.1"))
    metrics.spent("up", "m", None, Decimal(1))
    metrics.spent("up", "m", "blue", None)
    metrics.rate_limited("key:k_1", "requests")
    metrics.rate_limited("key:k_2", "requests")
    metrics.rate_limited("global", "tokens")
    metrics.budget_refused("team:blue", "day")
    metrics.limiter_failed(let_in=True)
    metrics.limiter_up(False)
    metrics.store_up(True)
    metrics.spooled(9, 9999)
    metrics.spooled(7, 4096)
    metrics.usage_dropped(3)
    metrics.log_dropped(4)
    metrics.enter(4)
    metrics.enter(-1)
    metrics.flush()


def test_every_metric_says_what_it_was_told() -> None:
    metrics = Metrics()
    fill(metrics)
    seen = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in text_string_to_metric_families(metrics.expose().decode()) for s in f.samples}
    for series in EVERYTHING:
        assert seen[series.name, tuple(sorted(series.labels.items()))] == pytest.approx(series.value), series
    assert not [name for name, _ in seen if name.endswith("_created")]


@given(st.lists(st.floats(0, 1000) | st.sampled_from([0.05, 0.1, 1, 320, math.inf]), max_size=30), st.integers(0, 30))
def test_what_is_gathered_is_what_the_library_would_have_been_told(amounts: list[float], between: int) -> None:
    metrics, other = Metrics(), prom.CollectorRegistry()
    name = "gen_ai_server_request_duration_seconds"
    told = prom.Histogram(name, "x", ("client_protocol", "provider", "model"), registry=other, buckets=_SECONDS).labels("a", "b", "c")
    for number, amount in enumerate(amounts):
        told.observe(amount)
        metrics.duration["a", "b", "c"].observe(amount)
        if number == between:
            metrics.flush()
    metrics.flush()
    ours = [s for s in next(f for f in metrics.registry.collect() if f.name == name).samples if s.labels]
    theirs = list(next(iter(other.collect())).samples)
    assert [(s.name, s.labels) for s in ours or theirs] == [(s.name, s.labels) for s in theirs]
    assert [s.value for s in ours] == pytest.approx([s.value for s in theirs] if ours else [])


def test_the_page_lists_every_metric_with_its_type_and_labels() -> None:
    metrics = Metrics()
    fill(metrics)
    families = {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type, {label for sample in family.samples for label in sample.labels} - {"le"}
        )
        for family in text_string_to_metric_families(metrics.expose().decode())
    }  # fmt: skip
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    assert {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows} == families
    assert {re.sub(r"_(sum|count)$", "", x.name) for x in EVERYTHING} == set(families) - {"llm_converter_build_info"}


def test_what_a_gateway_does_not_have_has_no_series() -> None:
    metrics = Metrics()
    metrics.flush()
    text = metrics.expose().decode()
    assert "llm_converter_store_up" not in text
    assert "llm_converter_in_flight 0.0" in text


def test_workers_add_up(tmp_path: Path) -> None:
    out = _worker(tmp_path, 0)
    for _ in range(2):
        out = _worker(tmp_path, 1)
    assert 'status="200",upstream_protocol="b"} 3.0' in out
    assert len(list(tmp_path.glob("counter_*.db"))) == 2


def test_gauges_are_of_the_workers_that_live(tmp_path: Path) -> None:
    """The first one leaves in the middle of a request and without its store; its slot is not taken again."""
    _worker(tmp_path, 7, "m.enter(5); m.store_up(False)")
    (tmp_path / "slot-7.lock").touch()
    out = _worker(tmp_path, 1, "m.store_up(True)")
    assert "llm_converter_in_flight 0.0" in out
    assert "llm_converter_store_up 1.0" in out
    assert "llm_converter_workers 1.0" in out
    assert 'status="200",upstream_protocol="b"} 2.0' in out, "what was counted stays"


def test_a_worker_that_is_started_again_begins_with_its_own_gauges(tmp_path: Path) -> None:
    _worker(tmp_path, 0, "m.enter(5); m.spooled(3, 100)")
    out = _worker(tmp_path, 0)
    assert "llm_converter_in_flight 0.0" in out
    assert "llm_converter_usage_spooled_records" not in out


def _worker(folder: Path, slot: int, more: str = "") -> str:
    code = (
        "import sys; from llm_api_converter.observe.metrics import Metrics\n"
        f"m = Metrics(sys.argv[1], int(sys.argv[2])); m.requests['a','b','c','d','200'].inc(); {more}\n"
        "m.flush()\n"
        "print(m.expose().decode())"
    )
    return subprocess.run([sys.executable, "-c", code, str(folder), str(slot)], capture_output=True, text=True, check=True).stdout
