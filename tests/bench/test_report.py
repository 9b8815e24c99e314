from typing import Any

import pytest
from bench.report import FURTHER, LIMITS, TARGETS, THROUGH, TRANSLATED, markdown, medians, multiple, verdicts


def row(target: str, api: str, us: float, *, scen: str = "ns2k", conc: int = 32, **more: Any) -> dict[str, Any]:
    numbers = {"ok": 10, "errors": 0, "cpu_s": 2.0, "cpu_us": us, "sched_us": us + 1, "rps": 5.0, "p50_ms": 2.0, "p99_ms": 9.0, "rss_mb": 50}
    return {"target": target, "api": api, "scen": scen, "conc": conc, **numbers, **more}


NGINX = [row("nginx", "anthropic", 10), row("nginx", "openai", 20)]
DIRECT = row("direct", "anthropic", 0, cpu_us=0, sched_us=0, p50_ms=0.5, p99_ms=1.0, rss_mb=0)


def test_the_median_of_the_runs_that_worked() -> None:
    results = medians([row("nginx", "openai", x) for x in (5, 300, 7)] + [row("nginx", "openai", 0, ok=0, errors=3)])
    only = results["ns2k", 32, "nginx", "openai"]
    assert (only.cpu_us, only.runs, only.errors) == (7, 3, 3)


def test_a_short_run_is_measured_by_the_finer_clock() -> None:
    results = medians([row("nginx", "openai", 100, cpu_s=0.5)])
    assert results["ns2k", 32, "nginx", "openai"].cpu_us == 101


def test_what_never_worked_is_left_out() -> None:
    assert medians([row("chat-through", "openai", 1, ok=0, non2xx=9)]) == {}


def test_multiples_are_of_nginx_with_the_same_client() -> None:
    results = medians([*NGINX, row("anthropic-to-chat", "anthropic", 150), row("chat-through", "openai", 100), DIRECT])
    assert multiple(results, ("ns2k", 32, "anthropic-to-chat", "anthropic")) == 15
    assert multiple(results, ("ns2k", 32, "chat-through", "openai")) == 5
    assert multiple(results, ("ns2k", 32, "direct", "anthropic")) is None


@pytest.mark.parametrize("scenario", LIMITS)
@pytest.mark.parametrize(("more", "met"), [(-0.1, True), (0, True), (0.1, False)])
def test_a_translated_request_may_cost_so_many_times_nginx(scenario: str, more: float, met: bool) -> None:
    own = row("anthropic-to-chat", "anthropic", 10 * (LIMITS[scenario] + more), scen=scenario)
    [verdict] = verdicts(medians([row("nginx", "anthropic", 10, scen=scenario), own]))
    assert verdict.met is met


@pytest.mark.parametrize(("through", "met"), [(99.0, True), (100.0, False)])
def test_passing_through_costs_less_than_translating(through: float, met: bool) -> None:
    rows = [row("chat-to-anthropic", "openai", 100), row("chat-through", "openai", through)]
    assert [x.met for x in verdicts(medians(rows))] == [met]


def test_targets_are_judged_at_32_clients_only() -> None:
    assert verdicts(medians([row("nginx", "anthropic", 1, conc=256), row("anthropic-to-chat", "anthropic", 999, conc=256)])) == []


def test_the_report_shows_everything_measured() -> None:
    text = markdown(medians([*NGINX, DIRECT, row("anthropic-to-chat", "anthropic", 150, scen="ns2k")]), {"date": "today"})
    assert "- date: today" in text
    assert "| translated: Anthropic client, Chat upstream; 2 KB request, plain answer | at most 20 x nginx | 15.0 x | met |" in text
    line = "| 32 | translated: Anthropic client, Chat upstream | 150 | 15.0 | 5 | 2.00 (+1.50) | 9.00 (+8.00) | 50 | 0 |"
    assert line in text
    assert "## Stream" not in text


def test_streams_are_shown_by_chunk() -> None:
    rows = [row("nginx", "anthropic", 103, scen="st100"), row("anthropic-to-chat", "anthropic", 1030, scen="st100")]
    assert "| 32 | translated: Anthropic client, Chat upstream | 1030 | 10.0 | 10.0 |" in markdown(medians(rows), {})


def test_every_target_has_a_name() -> None:
    assert {*TRANSLATED, *THROUGH.values(), *FURTHER, "nginx", "direct", "bare", "team"} == set(TARGETS)


@pytest.mark.parametrize(("team_us", "met"), [(129, True), (131, False)])
def test_what_a_team_has_may_cost_three_times_nginx(team_us: float, met: bool) -> None:
    results = medians([row("nginx", "anthropic", 10), row("bare", "anthropic", 100), row("team", "anthropic", team_us)])
    (verdict,) = verdicts(results)
    assert (verdict.met, verdict.measured) == (met, f"{(team_us - 100) / 10:.1f} x")
