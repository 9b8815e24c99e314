"""The metrics through a real Prometheus: values after a load whose numbers are known, the dashboard's expressions, the alerts."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import aiohttp
import pytest
import yaml

from llm_api_converter.hub.response import Usage
from llm_api_converter.observe.metrics import Metrics
from tests.engines import free_port, wait_for
from tests.fakes import HANG, Reply, Seen, json_reply, sse_reply, upstream
from tests.observe.prometheus import JOB, SCRAPE_S, prometheus
from tests.observe.test_metrics import EVERYTHING, fill
from tests.server.test_pipeline import ANTHROPIC_ANSWER, ANTHROPIC_ASK, CHAT, CHAT_ANSWER, CHAT_ASK, CHAT_STREAM, MESSAGES

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
MASTER = "sk-master-0123456789"


# ---------------------------------------------------------------- a gateway under load


def answer(seen: Seen) -> Reply:
    """14 tokens; `flaky` fails every other time, `hangs` never ends."""
    model = seen.json["model"]
    if model == "flaky":
        answer.flaky += 1  # type: ignore[attr-defined]
        if answer.flaky % 2:  # type: ignore[attr-defined]
            return json_reply({"error": {"message": "busy"}}, 503)
    if model == "hangs":
        return sse_reply(CHAT_STREAM[1], HANG)
    if seen.path.endswith("/messages"):
        return json_reply({**ANTHROPIC_ANSWER, "usage": {
            "input_tokens": 1, "output_tokens": 3, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 2}})  # fmt: skip
    return sse_reply(*CHAT_STREAM) if seen.json.get("stream") else json_reply(CHAT_ANSWER)


def settings(url: str, workers: int, port: int) -> dict[str, Any]:
    return {
        "server": {"workers": workers, "port": port}, "auth": {"master_api_key": MASTER}, "environment": "production",
        "providers": {
            "chat": {"type": "openai_compatible", "base_url": f"{url}/v1", "api_key": "none"},
            "messages": {"type": "anthropic", "base_url": url, "api_key": "x"},
        },
        "models": [
            *({"name": name, "provider": "chat", "model": name} for name in ("fast", "free", "flaky", "hangs")),
            {"name": "deep", "provider": "messages", "model": "deep"},
        ],
        "prices": [
            {"model": "fast", "input": 1000, "output": 2000},  # 0.017 a call
            {"model": "deep", "input": 1000, "output": 0, "cache_read": 0, "cache_write": 2000},  # 0.005 a call
            {"model": "flaky", "input": 0, "output": 0},
        ],
        "teams": {"blue": {}}, "retry": {"attempts": 1, "max_wait_s": 0.01},
    }  # fmt: skip


def make_key(folder: Path, name: str, *more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "llm_api_converter", "keys", "create", name, "--json", *more], cwd=folder, capture_output=True, text=True, check=True)
    key: str = json.loads(done.stdout)["key"]
    return key


@contextmanager
def running(folder: Path, url: str, workers: int) -> Iterator[tuple[str, dict[str, str]]]:
    """A gateway process: its address, and keys it knows."""
    folder.mkdir()
    port = free_port()
    (folder / "gateway.yaml").write_text(yaml.safe_dump(settings(url, workers, port)))
    keys = {
        "blue": make_key(folder, "blue", "--team", "blue"),
        "limited": make_key(folder, "limited", "--requests", "2", "--set", '{"limits": {"burst": 2, "window_s": 3600}}'),
        "poor": make_key(folder, "poor", "--budget-total", "0.01"),
    }
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen([sys.executable, "-m", "llm_api_converter", "serve"], cwd=folder, stdout=log, stderr=log)
        try:
            wait_for(port, child, "the gateway")
            yield f"127.0.0.1:{port}", keys
        finally:
            child.terminate()
            child.wait(30)


async def load(address: str, keys: dict[str, str]) -> None:
    """What is asked; the numbers of `EXPECTED` are these."""

    async def ask(times: int, path: str, body: dict[str, Any], key: str = MASTER) -> list[int]:
        statuses = []
        for _ in range(times):
            async with aiohttp.ClientSession() as http, http.post(f"http://{address}{path}", json=body, headers={"x-api-key": key}) as got:
                await got.read()
                statuses.append(got.status)
        return statuses

    assert await ask(12, MESSAGES, {**ANTHROPIC_ASK, "model": "fast", "top_k": 3}) == [200] * 12
    assert await ask(5, CHAT, {**CHAT_ASK, "model": "fast", "stream": True}) == [200] * 5
    assert await ask(4, CHAT, {**CHAT_ASK, "model": "deep"}, keys["blue"]) == [200] * 4
    assert await ask(1, CHAT, {**CHAT_ASK, "model": "deep", "from_tomorrow": 1}) == [200]
    assert await ask(3, CHAT, {**CHAT_ASK, "model": "free"}) == [200] * 3
    assert await ask(2, CHAT, {**CHAT_ASK, "model": "flaky"}) == [200] * 2
    assert await ask(2, CHAT, {**CHAT_ASK, "model": "nobody"}) == [404] * 2
    assert await ask(2, CHAT, {**CHAT_ASK, "model": "fast"}, "sk-wrong") == [401] * 2
    assert await ask(3, CHAT, {**CHAT_ASK, "model": "fast"}, keys["limited"]) == [200, 200, 429]
    assert await ask(1, CHAT, {**CHAT_ASK, "model": "fast"}, keys["poor"]) == [200]
    await asyncio.sleep(4)  # until every worker knows what was spent
    refused = await ask(1, CHAT, {**CHAT_ASK, "model": "fast"}, keys["poor"])
    assert refused[0] >= 400


EXPECTED = {
    'sum(llm_converter_requests_total)': 12 + 5 + 4 + 1 + 3 + 2 + 2 + 2 + 3 + 1 + 1,
    'llm_converter_requests_total{client_protocol="anthropic",upstream_protocol="openai_chat",provider="chat",model="fast",status="200"}': 12,
    'llm_converter_requests_total{client_protocol="openai_chat",upstream_protocol="anthropic",provider="messages",model="deep",status="200"}': 5,
    'sum(llm_converter_requests_total{model="fast",status="200"})': 12 + 5 + 2 + 1,
    'sum(llm_converter_requests_total{status="404"})': 2,
    'sum(llm_converter_requests_total{status="401"})': 2,
    'sum(gen_ai_server_request_duration_seconds_count{model="fast",client_protocol="anthropic"})': 12,
    'sum(gen_ai_server_time_to_first_token_seconds_count)': 5,
    'gen_ai_client_token_usage_sum{client_protocol="anthropic",model="fast",gen_ai_token_type="input"}': 12 * 11,
    'gen_ai_client_token_usage_sum{client_protocol="anthropic",model="fast",gen_ai_token_type="output"}': 12 * 3,
    'gen_ai_client_token_usage_count{client_protocol="openai_chat",model="fast",gen_ai_token_type="input"}': 5 + 2 + 1,
    'sum(gen_ai_client_token_usage_sum{model="deep",gen_ai_token_type="input"})': 5 * 11,
    'llm_converter_cached_tokens_total{model="deep",direction="read"}': 5 * 8,
    'llm_converter_cached_tokens_total{model="deep",direction="write"}': 5 * 2,
    'sum(llm_converter_overhead_seconds_count)': 12 + 5 + 4 + 1 + 3 + 2 + 2 + 1,
    'llm_converter_losses_total{client_protocol="anthropic",upstream_protocol="openai_chat",feature="top_k",action="dropped"}': 12,
    'llm_converter_upstream_errors_total{provider="chat",kind="overloaded"}': 2,
    'llm_converter_unknown_wire_items_total{protocol="openai_chat",where="request",name="from_tomorrow"}': 1,
    'llm_converter_cost_usd_total{provider="chat",model="fast",team=""}': 20 * 0.017,
    'llm_converter_cost_usd_total{provider="messages",model="deep",team="blue"}': 4 * 0.005,
    'llm_converter_cost_usd_total{provider="messages",model="deep",team=""}': 0.005,
    'llm_converter_unpriced_calls_total{provider="chat",model="free"}': 3,
    'llm_converter_rate_limited_total{scope="key",dimension="requests"}': 1,
    'llm_converter_budget_refused_total{scope="key",period="total"}': 1,
    'llm_converter_in_flight': 1,
    'llm_converter_store_up': 1,
    'llm_converter_limiter_up': 1,
    'llm_converter_usage_spooled_records': 0,
    'llm_converter_usage_dropped_total': 0,
    'llm_converter_log_lines_dropped_total': 0,
}  # fmt: skip


@pytest.mark.parametrize("workers", [1, 2])
async def test_every_metric_has_the_right_value_after_a_load(tmp_path: Path, workers: int) -> None:
    answer.flaky = 0  # type: ignore[attr-defined]
    async with upstream(answer) as fake:
        with running(tmp_path / "gateway", fake.url, workers) as (address, keys):
            await check(tmp_path, workers, address, keys)


async def check(folder: Path, workers: int, address: str, keys: dict[str, str]) -> None:
    await load(address, keys)
    hanging = {**CHAT_ASK, "model": "hangs", "stream": True}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://{address}{CHAT}", json=hanging, headers={"x-api-key": MASTER}) as stream,
    ):
        await stream.content.readany()
        assert_clean(await asyncio.to_thread(_scrape, address))
        with prometheus(folder / "prometheus", [address]) as prom:
            await asyncio.to_thread(prom.wait_until, "llm_converter_workers", workers)
            await asyncio.to_thread(prom.wait_until, "llm_converter_usage_spooled_records", 0)
            for expression, wanted in EXPECTED.items():
                assert await asyncio.to_thread(prom.value, expression) == pytest.approx(wanted), expression
            assert await asyncio.to_thread(prom.value, "count(llm_converter_build_info)") == 1
            stream.close()
            await asyncio.to_thread(prom.wait_until, "llm_converter_in_flight", 0)
            await asyncio.to_thread(prom.wait_until, 'sum(llm_converter_requests_total{model="hangs",status="499"})', 1)


def _scrape(address: str) -> bytes:
    with urlopen(f"http://{address}/metrics", timeout=10) as page:
        data: bytes = page.read()
        return data


def assert_clean(text: bytes) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


# ---------------------------------------------------------------- dashboard and alerts, on metrics that say everything


@contextmanager
def exported(metrics: Metrics) -> Iterator[str]:
    """The metrics as a page of their own; its address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = metrics.expose()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def expressions() -> list[tuple[str, str]]:
    """(panel, expression) of the dashboard, with its variables as Grafana fills them in for a short range."""
    board = json.loads((DEPLOY / "grafana/dashboards/llm-api-converter.json").read_text())
    values = {"__rate_interval": f"{5 * SCRAPE_S}s", "__range": "5m", "client": ".*", "provider": ".*", "model": ".*"}
    assert {x["name"] for x in board["templating"]["list"]} == set(values) - {"__rate_interval", "__range"}
    found = [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel.get("targets", ())]
    return [(title, re.sub(r"\$(\w+)", lambda name: values[name[1]], expression)) for title, expression in found]


def test_every_expression_of_the_dashboard_has_data(tmp_path: Path) -> None:
    metrics = Metrics()
    fill(metrics)
    assert_clean(metrics.expose())
    with exported(metrics) as address, prometheus(tmp_path / "prometheus", [address]) as prom:
        prom.wait_until("llm_converter_rate_limited_total{scope='key'}", 2)
        fill(metrics)
        prom.wait_until("llm_converter_rate_limited_total{scope='key'}", 4)
        for title, expression in expressions():
            assert prom.query(expression), f"{title}: {expression}"
        used = " ".join(expression for _, expression in expressions())
        alerts = " ".join(rule["expr"] for rule in rules())
        for series in EVERYTHING:
            name = re.sub(r"_(sum|count)$", "", series.name)
            assert name in used or name in alerts, f"{name} is on no panel and in no alert"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def at_once() -> dict[str, Any]:
    """The alert rules without their patience."""
    return {"groups": [{"name": "alerts", "rules": [{k: v for k, v in rule.items() if k != "for"} for rule in rules()]}]}


def calm(metrics: Metrics) -> None:
    """An hour of good days, in small."""
    metrics.requests["anthropic", "openai_chat", "up", "m", "200"].inc(100)
    metrics.first_token["anthropic", "up", "m"].observe(0.5)
    metrics.overhead["anthropic", "openai_chat"].observe(0.001)
    metrics.used("anthropic", "up", "m", Usage(10, 10))
    metrics.spent("up", "m", None, Decimal("0.01"))
    metrics.upstream_errors["up", "overloaded"].inc()
    metrics.rate_limited("key:x", "requests")
    metrics._set("llm_converter_workers", 2)
    metrics.store_up(True)
    metrics.limiter_up(True)
    metrics.spooled(3, 1000)
    metrics.flush()


def trouble(metrics: Metrics) -> None:
    """Everything that can go wrong does."""
    metrics.requests["anthropic", "openai_chat", "up", "m", "500"].inc(50)
    metrics.upstream_errors["up", "overloaded"].inc(100)
    metrics.upstream_errors["up", "unauthenticated"].inc()
    for _ in range(100):
        metrics.first_token["anthropic", "up", "m"].observe(100)
        metrics.overhead["anthropic", "openai_chat"].observe(0.2)
        metrics.rate_limited("key:x", "requests")
    metrics._set("llm_converter_workers", 1)
    metrics.store_up(False)
    metrics.limiter_up(False)
    metrics.spooled(2000, 1_000_000)
    metrics.usage_dropped(1)
    metrics.log_dropped(1)
    metrics.spent("up", "m", None, Decimal(500))
    metrics.budget_refused("key:x", "month")
    metrics.spent("up", "m", None, None)
    metrics.unknown_items["openai_chat", "stream", "new"].inc()
    metrics.flush()


def test_every_alert_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    metrics = Metrics()
    calm(metrics)
    gone = f"127.0.0.1:{free_port()}"
    with exported(metrics) as address, prometheus(tmp_path / "prometheus", [address, gone], at_once()) as prom:
        for n in (1, 2, 3):
            prom.wait_until('llm_converter_requests_total{status="200"}', 100 * n)
            calm(metrics)
        time.sleep(2 * SCRAPE_S)
        assert prom.firing() == {"GatewayDown"}, "the one that does not exist"
        trouble(metrics)
        prom.wait_until('llm_converter_requests_total{status="500"}', 50)
        once = {"GatewayUpstreamRefusesKey", "GatewayPriceUnknown", "GatewayProtocolDrift", "GatewayUsageLost", "GatewayLogLost"}
        time.sleep(2 * SCRAPE_S)
        assert prom.firing() >= once, "the first time is seen"
        trouble(metrics)
        wanted = {rule["alert"] for rule in rules()}
        end = time.monotonic() + 20
        while prom.firing() != wanted and time.monotonic() < end:
            time.sleep(0.3)
        assert prom.firing() == wanted
        for group in prom.get("rules")["groups"]:
            assert not [rule for rule in group["rules"] if rule["health"] != "ok"]
        for alert in prom.get("alerts")["alerts"]:
            for text in alert["annotations"].values():
                assert "<no value>" not in text
                assert "error" not in text.lower() or "internal error" in text, text


def test_the_rules_and_the_configuration_are_what_promtool_takes(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([promtool, "check", "config", "prometheus.yml"], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    configured = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    assert [x["job_name"] for x in configured["scrape_configs"]] == [JOB], "the alerts ask for this job"


