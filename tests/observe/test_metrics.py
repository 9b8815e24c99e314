from pathlib import Path

from llm_api_converter.observe.metrics import Bounded, Metrics


def test_a_label_stops_at_its_limit() -> None:
    label = Bounded(2)
    assert [label(x) for x in ("a", "b", "a", "c", "b", "d")] == ["a", "b", "a", "other", "b", "other"]


def test_the_names_users_rely_on() -> None:
    metrics = Metrics()
    metrics.requests["anthropic", "openai_chat", "up", "m", "200"].inc()
    metrics.duration["anthropic", "up", "m"].observe(0.2)
    metrics.enter(3)
    text = metrics.expose().decode()
    assert (
        'llm_converter_requests_total{client_protocol="anthropic",model="m",provider="up",status="200",upstream_protocol="openai_chat"} 1.0'
        in text
    )
    assert 'gen_ai_server_request_duration_seconds_count{client_protocol="anthropic",model="m",provider="up"} 1.0' in text
    assert "llm_converter_in_flight 3.0" in text
    for name in ("gen_ai_server_time_to_first_token_seconds", "gen_ai_client_token_usage", "llm_converter_overhead_seconds",
                 "llm_converter_losses_total", "llm_converter_upstream_errors_total", "llm_converter_unknown_wire_items_total"):
        assert f"# TYPE {name} " in text


def test_workers_add_up(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from llm_api_converter.observe.metrics import Metrics\n"
        "m = Metrics(sys.argv[1], int(sys.argv[2])); m.requests['a','b','c','d','200'].inc(); m.enter(int(sys.argv[2])); m.enter(-int(sys.argv[2]))\n"
        "print(m.expose().decode())"
    )
    for slot in ("0", "1", "1"):
        out = subprocess.run([sys.executable, "-c", code, str(tmp_path), slot], capture_output=True, text=True, check=True).stdout
    assert 'status="200",upstream_protocol="b"} 3.0' in out
    assert len(list(tmp_path.glob("counter_*.db"))) == 2
