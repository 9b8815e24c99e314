"""What a request leaves behind: metrics and the log line."""

import asyncio
import json
from typing import Any

import pytest
import structlog

from llm_api_converter.server import record
from llm_api_converter.server.exchange import Exchange
from tests.fakes import KEY, Lines, sse_reply
from tests.server.test_pipeline import ANTHROPIC_ASK, CHAT, CHAT_ASK, CHAT_STREAM, MESSAGES, case, post

pytestmark = pytest.mark.anyio


def event(kind: str, **more: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


ANTHROPIC_STREAM = [
    event("message_start", message={
        "id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": [], "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 1}}),
    event("brand_new", x=1),
    event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hello"}),
    event("content_block_stop", index=0),
    event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 3}),
    event("message_stop"),
]


async def test_items_no_decoder_knows_are_counted() -> None:
    async with case([sse_reply(*ANTHROPIC_STREAM)], "anthropic") as (running, _, http):
        status, answer, _ = await post(http, running.url + CHAT, {**CHAT_ASK, "stream": True, "from_tomorrow": 1})
        assert status == 200
        assert b"hello" in answer
        text = await (await http.get(running.url + "/metrics")).text()
        assert 'llm_converter_unknown_wire_items_total{name="from_tomorrow",protocol="openai_chat",where="request"} 1.0' in text
        assert 'llm_converter_unknown_wire_items_total{name="brand_new",protocol="anthropic",where="stream"} 1.0' in text


@pytest.mark.parametrize(
    ("key", "sent", "status"),
    [
        (None, {}, 200),
        ("scraper-key-1", {}, 401),
        ("scraper-key-1", {"authorization": "Bearer wrong"}, 401),
        ("scraper-key-1", {"authorization": "Bearer scraper-key-1"}, 200),
        ("scraper-key-1", {"authorization": f"Bearer {KEY}"}, 200),
    ],
)
async def test_metrics_may_have_a_key(key: str | None, sent: dict[str, str], status: int) -> None:
    auth = {"master_api_key": KEY, "metrics_key": key}
    async with case([], auth=auth) as (running, _, http), http.get(running.url + "/metrics", headers=sent) as got:
        text = await got.text()
    assert got.status == status
    assert ("auth.metrics_key" in text) is (status == 401)
    assert "scraper-key-1" not in text
    assert ("llm_converter_in_flight" in text) is (status == 200)


async def test_what_one_request_leaves() -> None:
    lines = Lines()
    async with case([sse_reply(*CHAT_STREAM)]) as (running, _, http):
        running.app.runtime.access_log = lines  # type: ignore[assignment]
        await post(http, running.url + MESSAGES, {**ANTHROPIC_ASK, "stream": True, "top_k": 5}, **{"x-request-id": "mine-1"})
        text = await (await http.get(running.url + "/metrics")).text()
    line = lines[0]
    assert {k: line[k] for k in ("request_id", "protocol", "model", "status", "provider", "upstream_model", "mode", "tries", "caller")} == {
        "request_id": "mine-1", "protocol": "anthropic", "model": "m", "status": 200, "provider": "up", "upstream_model": "up-model",
        "mode": "translated", "tries": 1, "caller": "master",
    }
    assert (line["input_tokens"], line["output_tokens"]) == (11, 3)
    assert 0 < line["overhead_ms"] <= line["first_ms"] <= line["ms"]
    for wanted in (
        'llm_converter_requests_total{client_protocol="anthropic",model="m",provider="up",status="200",upstream_protocol="openai_chat"} 1.0',
        'llm_converter_losses_total{action="dropped",client_protocol="anthropic",feature="top_k",upstream_protocol="openai_chat"} 1.0',
        'gen_ai_server_time_to_first_token_seconds_count{client_protocol="anthropic",model="m",provider="up"} 1.0',
        'llm_converter_overhead_seconds_count{client_protocol="anthropic",upstream_protocol="openai_chat"} 1.0',
    ):
        assert wanted in text


async def test_one_that_cannot_be_recorded_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(x: Exchange, *rest: Any) -> None:
        if x.request_id == "bad-1":
            raise ValueError("damage")

    monkeypatch.setattr(record, "STEPS", (breaks, *record.STEPS))
    monkeypatch.setattr(record, "WAIT_S", 60.0)
    monkeypatch.setattr(record, "TOGETHER", 3)
    lines = Lines()
    with structlog.testing.capture_logs() as told:
        async with case([sse_reply(*CHAT_STREAM)] * 3) as (running, _, http):
            running.app.runtime.access_log = lines  # type: ignore[assignment]
            for name in ("good-1", "bad-1", "good-2"):
                assert lines == []
                await post(http, running.url + MESSAGES, {**ANTHROPIC_ASK, "stream": True}, **{"x-request-id": name})
            while not lines:
                await asyncio.sleep(0.01)
    assert [line["request_id"] for line in lines] == ["good-1", "bad-1", "good-2"], "together, and as far as it goes"
    assert [(line["event"], line["request_id"]) for line in told if line["log_level"] == "error"] == [("exchange not recorded", "bad-1")]
