"""What a request leaves behind: metrics and the log line."""

import asyncio
import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from llm_api_converter.access.principal import Principal
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.response import Usage
from llm_api_converter.observe.logs import Redactor
from llm_api_converter.server import record
from llm_api_converter.server.answers import Seen
from llm_api_converter.server.exchange import NOBODY, Exchange
from llm_api_converter.store.records import KeyRecord, UsageRow
from llm_api_converter.usage.prices import Called, Price, Prices
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


def ended(**more: Any) -> Any:
    """An exchange as far as its record looks at it: refused before any call, where nothing else is said."""
    fields: dict[str, Any] = {
        "who": NOBODY, "target": None, "called": None, "seen": None, "ledger": None, "started_s": 1.0, "earlier": (), "request_id": "req_1",
        "match": SimpleNamespace(operation="generate"), "codec": SimpleNamespace(name="anthropic"), "model": "asked", "route": None,
        "runtime": SimpleNamespace(redactor=Redactor(["sk-provider-1"])), "responder": SimpleNamespace(first_s=0.0), "stream": False,
        "error": None, "tries": 0,
    }  # fmt: skip
    return SimpleNamespace(**(fields | more))


def test_a_request_that_was_refused_before_any_call() -> None:
    row = record._row(ended(error=ApiError("not_found", "no"), model="my sk-provider-1"), Prices(), 404, 3.5, 100.0)
    assert (row.provider, row.upstream_model, row.cost_usd, row.tries) == (None, None, None, 0)
    assert (row.status, row.error, row.at_s, row.latency_s, row.model) == (404, "not_found", 101.0, 2.5, "my ***")


def test_a_client_that_left_keeps_what_the_upstream_had_counted_and_nothing_is_made_up() -> None:
    called, seen = Called("one", "openai_compatible", "http://one", "m"), Seen()
    prices = Prices([Price(provider="one", model="m", input=Decimal(1), output=Decimal(2))])
    gone = ApiError("internal", "left", status=record.CLIENT_GONE_STATUS)
    row = record._row(ended(called=called, seen=seen, error=gone), prices, record.CLIENT_GONE_STATUS, 2.0, 0.0)
    assert (row.input_total, row.output_total, row.cost_usd, row.price, row.raw) == (None, None, None, None, None)
    assert (row.status, row.error) == (499, "client_gone")
    seen.usage = Usage(1000, 1)
    row = record._row(ended(called=called, seen=seen, error=gone), prices, record.CLIENT_GONE_STATUS, 2.0, 0.0)
    assert (row.input_total, row.output_total, row.cost_usd, row.provider) == (1000, 1, Decimal("0.001002"), "one")


def test_every_field_has_its_own() -> None:
    """Records are made by place."""
    key = KeyRecord(id="key_1", name="mine", digest=b"d", hint="1234", created_s=0, owner="ann", team="red")
    usage = Usage(11, 5, cache_read=3, cache_write=2, reasoning=4, protocol="openai_chat", raw={"n": 1})
    seen = Seen()
    seen.usage = usage
    x = ended(
        who=Principal(name="mine", scope="team:red", record=key), called=Called("one", "t", "http://one", "theirs"), seen=seen,
        target=SimpleNamespace(protocol="openai_chat"), route=SimpleNamespace(name="route"), stream=True, tries=2,
        responder=SimpleNamespace(first_s=1.5), ledger=SimpleNamespace(losses=[SimpleNamespace(action="dropped", path="top_k")]),
    )  # fmt: skip
    prices = Prices([Price(provider="one", model="*", input=Decimal(1), output=Decimal(2))])
    row = record._row(x, prices, 200, 3.0, 100.0)
    assert row.id.startswith("use_")
    assert msgspec.structs.asdict(row) | {"id": ""} == {
        "id": "", "at_s": 101.0, "request_id": "req_1", "operation": "generate", "protocol": "anthropic", "model": "asked", "status": 200,
        "key_id": "key_1", "key_name": "mine", "owner": "ann", "team": "red", "route": "route", "provider": "one",
        "upstream_model": "theirs", "upstream_protocol": "openai_chat", "stream": True, "error": None, "tries": 2, "input_total": 11,
        "output_total": 5, "cache_read": 3, "cache_write": 2, "reasoning": 4, "raw": '{"protocol":"openai_chat","usage":{"n":1}}',
        "cost_usd": Decimal("0.000021"), "price": "settings one/*: input 1, output 2", "latency_s": 2.0, "first_s": 0.5,
        "losses": ("dropped top_k",),
    }  # fmt: skip


@given(st.text(), st.lists(st.text(), max_size=60))
def test_any_text_of_a_client_can_be_stored(model: str, paths: list[str]) -> None:
    losses = [SimpleNamespace(action="dropped", path=path) for path in paths]
    called = Called("one", "t", "http://x", model)
    x = ended(model=model, called=called, route=SimpleNamespace(name=model), ledger=SimpleNamespace(losses=losses))
    row = record._row(x, Prices(), 200, 2.0, 0.0)
    for text in (row.model, row.route or "", row.upstream_model or "", *row.losses):
        assert "\0" not in text
        assert len(text) <= 200
        text.encode()
    assert len(row.losses) <= 50
    assert msgspec.json.decode(msgspec.json.encode(row), type=UsageRow) == row
