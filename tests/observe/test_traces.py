"""Spans as a collector gets them: a real gateway, a real exporter, OTLP over HTTP decoded with OpenTelemetry's own messages."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llm_api_converter.observe import genai
from llm_api_converter.observe.traces import INSTALL, TracingUnavailable, open_tracing
from tests.fakes import CUT, HANG, FakeUpstream, Lines, Reply, Running, Seen, json_reply, sse_reply, upstream
from tests.server.test_pipeline import (
    ANTHROPIC_ANSWER,
    ANTHROPIC_ASK,
    CHAT,
    CHAT_ANSWER,
    CHAT_ASK,
    CHAT_STREAM,
    MESSAGES,
    case,
    chunk,
    post,
)

pytestmark = pytest.mark.anyio

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET_WORDS = "the moon is made of marble"


class Collector:
    """What has come so far. `spans()` is complete once the gateway's tracing is closed."""

    def __init__(self, server: FakeUpstream, running: Running) -> None:
        self._server = server
        self._running = running

    async def spans(self) -> list[Span]:
        assert self._running.app.runtime.tracing is not None
        await asyncio.to_thread(self._running.app.runtime.tracing.close)
        return [span for batch in self.batches() for group in batch.resource_spans for scope in group.scope_spans for span in scope.spans]

    def batches(self) -> Iterator[ExportTraceServiceRequest]:
        for seen in self._server.seen:
            assert (seen.method, seen.path, seen.headers["content-type"]) == ("POST", "/v1/traces", "application/x-protobuf")
            yield ExportTraceServiceRequest.FromString(seen.body)


@asynccontextmanager
async def traced(
    monkeypatch: pytest.MonkeyPatch, script: Any, protocol: str = "openai_chat", propagate: bool = False, **settings: Any
) -> AsyncIterator[tuple[Running, FakeUpstream, aiohttp.ClientSession, Collector]]:
    async with upstream(lambda _: Reply([b"\n\0"], content_type="application/x-protobuf")) as server, case(script, protocol, **settings) as (running, fake, http):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        running.app.runtime.tracing = open_tracing(propagate=propagate)
        yield running, fake, http, Collector(server, running)
        await asyncio.to_thread(running.app.runtime.tracing.close)
        running.app.runtime.tracing = None


def plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    assert kind is not None
    return [plain(x) for x in value.array_value.values] if kind == "array_value" else getattr(value, kind)


def attributes(span: Span) -> dict[str, Any]:
    return {x.key: plain(x.value) for x in span.attributes}


def tree(spans: list[Span]) -> tuple[Span, list[Span]]:
    """The server span and its children, in the order they began."""
    (server,) = (x for x in spans if x.kind == Span.SPAN_KIND_SERVER)
    calls = sorted((x for x in spans if x.kind == Span.SPAN_KIND_CLIENT), key=lambda x: x.start_time_unix_nano)
    assert len(calls) == len(spans) - 1
    for call in calls:
        assert (call.parent_span_id, call.trace_id) == (server.span_id, server.trace_id)
        assert server.start_time_unix_nano <= call.start_time_unix_nano <= call.end_time_unix_nano <= server.end_time_unix_nano
    return server, calls


async def test_a_request_and_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines()
    async with traced(monkeypatch, [json_reply(CHAT_ANSWER)], propagate=True) as (running, fake, http, collector):
        running.app.runtime.access_log = lines  # type: ignore[assignment]
        ask = {**ANTHROPIC_ASK, "temperature": 0.5, "top_k": 3, "messages": [{"role": "user", "content": SECRET_WORDS}]}
        await post(http, running.url + MESSAGES, ask, traceparent=PARENT, tracestate="a=b", baggage="user=mine")
        server, (call,) = tree(await collector.spans())
        batch = next(collector.batches())
    assert server.name == "POST /v1/messages"
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (PARENT[3:35], PARENT[36:52])
    said = attributes(server)
    assert said.pop("llm_converter.request_id") == lines[0]["request_id"]
    assert said == {
        "http.request.method": "POST", "url.path": "/v1/messages", "http.route": "/v1/messages", "http.response.status_code": 200,
        "llm_converter.client_protocol": "anthropic", "llm_converter.caller": "master", "llm_converter.model": "m",
        "llm_converter.mode": "translated", "llm_converter.tries": 1, "llm_converter.losses": 1,
    }  # fmt: skip
    assert call.name == "chat up-model"
    assert attributes(call) == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "up", "gen_ai.request.model": "up-model", "gen_ai.request.max_tokens": 100,
        "gen_ai.request.temperature": 0.5, "gen_ai.response.id": "chatcmpl-1", "gen_ai.response.model": "up-model",
        "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.input_tokens": 11, "gen_ai.usage.output_tokens": 3,
        "gen_ai.response.time_to_first_chunk": attributes(call)["gen_ai.response.time_to_first_chunk"],
        "server.address": "127.0.0.1", "server.port": int(fake.url.rpartition(":")[2]), "llm_converter.provider": "up",
        "llm_converter.upstream_protocol": "openai_chat",
    }  # fmt: skip
    assert {server.status.code, call.status.code} == {Status.STATUS_CODE_UNSET}
    assert lines[0]["trace_id"] == PARENT[3:35], "the log line has the trace's id"
    assert fake.seen[0].headers["traceparent"] == f"{PARENT[:36]}{call.span_id.hex()}-01", "the upstream's parent is the call"
    assert "baggage" not in fake.seen[0].headers
    resource = {x.key: plain(x.value) for x in batch.resource_spans[0].resource.attributes}
    assert resource["service.name"] == "llm-api-converter"
    wire = batch.SerializeToString()
    for hidden in (SECRET_WORDS, "hello there", "sk-"):
        assert hidden.encode() not in wire


async def test_a_stream_passed_through_and_no_traceparent_for_upstreams_that_are_not_to_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "front door")
    async with traced(monkeypatch, [sse_reply(*CHAT_STREAM)]) as (running, fake, http, collector):
        await post(http, running.url + CHAT, {**CHAT_ASK, "stream": True}, traceparent=PARENT)
        server, (call,) = tree(await collector.spans())
        resource = {x.key: plain(x.value) for x in next(collector.batches()).resource_spans[0].resource.attributes}
    said = attributes(call)
    assert said["gen_ai.request.stream"] is True
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"], said["gen_ai.response.finish_reasons"]) == (11, 3, ["stop"])
    assert (said["gen_ai.response.id"], said["gen_ai.response.model"]) == ("c1", "up-model")
    assert 0 < said["gen_ai.response.time_to_first_chunk"] < 5
    assert attributes(server)["llm_converter.mode"] == "patched"
    assert "traceparent" not in fake.seen[0].headers
    assert resource["service.name"] == "front door"


async def test_tries_are_calls_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = json_reply({"error": {"message": "busy: " + SECRET_WORDS}}, 503)
    async with traced(monkeypatch, [busy, Reply([CUT]), json_reply(CHAT_ANSWER)]) as (running, _, http, collector):
        status, _, _ = await post(http, running.url + CHAT, CHAT_ASK)
        assert status == 200
        server, calls = tree(await collector.spans())
        wire = b"".join(batch.SerializeToString() for batch in collector.batches())
    assert [attributes(x).get("error.type") for x in calls] == ["overloaded", "upstream_incomplete", None]
    assert [attributes(x).get("http.request.resend_count") for x in calls] == [None, 1, 2]
    assert [x.status.code for x in calls] == [Status.STATUS_CODE_ERROR, Status.STATUS_CODE_ERROR, Status.STATUS_CODE_UNSET]
    assert attributes(calls[0])["http.response.status_code"] == 503
    assert attributes(server)["llm_converter.tries"] == 3
    assert server.status.code == Status.STATUS_CODE_UNSET
    assert SECRET_WORDS.encode() not in wire, "an upstream's words may hold a user's"


@pytest.mark.parametrize(
    ("replies", "kind", "failed"),
    [
        ([json_reply({"error": {"message": "no"}}, 401)], "unauthenticated", False),
        ([json_reply({"error": {"message": "down"}}, 500)], "upstream_failed", True),
        ([sse_reply(chunk({"content": "half"}), CUT)], "upstream_incomplete", True),
    ],
)
async def test_what_failed(monkeypatch: pytest.MonkeyPatch, replies: list[Reply], kind: str, failed: bool) -> None:
    """As the conventions have it, a refusal is no failure of the server that passes it on; a stream that broke is."""
    async with traced(monkeypatch, replies, retry={"attempts": 0}) as (running, _, http, collector):
        stream = replies[0].content_type == "text/event-stream"
        await post(http, running.url + CHAT, {**CHAT_ASK, "stream": stream})
        server, (call,) = tree(await collector.spans())
    assert (attributes(server)["error.type"], attributes(call)["error.type"]) == (kind, kind)
    assert call.status.code == Status.STATUS_CODE_ERROR
    assert (server.status.code == Status.STATUS_CODE_ERROR) is failed


async def test_a_client_that_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    async with traced(monkeypatch, [sse_reply(chunk({"content": "half"}), HANG)]) as (running, fake, http, collector):
        answer = await http.post(
            running.url + CHAT, json={**CHAT_ASK, "stream": True}, headers={"x-api-key": "sk-test-master-key-0123456789"})
        await answer.content.readany()
        answer.close()
        await asyncio.wait_for(fake.seen[0].closed.wait(), 5)
        while running.app.runtime.metrics.in_flight:
            await asyncio.sleep(0.01)
        server, (call,) = tree(await collector.spans())
    assert (attributes(server)["error.type"], attributes(call)["error.type"]) == ("client_gone", "client_gone")
    assert {server.status.code, call.status.code} == {Status.STATUS_CODE_UNSET}
    assert attributes(server)["http.response.status_code"] == 499


async def test_other_operations_and_names_that_stay_few(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(seen: Seen) -> Reply:
        if seen.path.endswith("embeddings"):
            return json_reply({"object": "list", "data": [{"index": 0, "embedding": [0.5]}], "model": "e", "usage": {"prompt_tokens": 4, "total_tokens": 4}})
        return json_reply(CHAT_ANSWER)

    async with traced(monkeypatch, answer) as (running, _, http, collector):
        await post(http, running.url + "/v1/embeddings", {"model": "m", "input": "hi"})
        await post(http, running.url + "/v1beta/models/m:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]})
        await post(http, running.url + "/no/such/path", {})
        await http.get(running.url + "/health")
        spans = await collector.spans()
    servers = sorted(x.name for x in spans if x.kind == Span.SPAN_KIND_SERVER)
    assert servers == ["POST", "POST /v1/embeddings", "POST /v1beta/models/{id}:generateContent"]
    embed = next(attributes(x) for x in spans if x.name == "embeddings up-model")
    assert (embed["gen_ai.operation.name"], embed["gen_ai.usage.input_tokens"]) == ("embeddings", 4)


async def test_a_vendor_has_the_name_of_the_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {**ANTHROPIC_ANSWER, "usage": {"input_tokens": 1, "output_tokens": 3, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 2}}
    async with traced(monkeypatch, [json_reply(answer)], "anthropic") as (running, _, http, collector):
        await post(http, running.url + MESSAGES, ANTHROPIC_ASK)
        _, (call,) = tree(await collector.spans())
    said = attributes(call)
    assert (said["gen_ai.provider.name"], said["llm_converter.provider"]) == ("anthropic", "up")
    assert {k.removeprefix("gen_ai.usage."): v for k, v in said.items() if "usage" in k} == {
        "input_tokens": 11, "output_tokens": 3, "cache_read.input_tokens": 8, "cache_write.input_tokens": 2}


def test_a_gateway_without_traces_does_not_import_them() -> None:
    code = (
        "import sys, json\nimport llm_api_converter.server.serve as s\nfrom tests.fakes import config\n"
        "from llm_api_converter.hub.seal import SealKey\n"
        "s.build(config(), master_key='k' * 20, seal_keys=(SealKey('k', b'x' * 32),))\n"
        "print(json.dumps([m for m in sys.modules if m.startswith('opentelemetry')]))"
    )
    assert json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout) == []


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "llm_api_converter.observe.otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(TracingUnavailable, match="llm-api-converter\\[otel\\]") as caught:
        open_tracing()
    assert str(caught.value) == INSTALL


def test_the_page_names_every_attribute() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "traces.md").read_text()
    said: set[str] = set()
    for row in re.findall(r"^\| (?:server|client) \| (.+) \|$", page, re.MULTILINE):
        before = ""
        for name in re.findall(r"`([a-z_.]+\.[a-z_.]+|\.[a-z_]+)`", row):
            if name.startswith("."):  # `.model` after `gen_ai.request.stream`, `.output_tokens` after `gen_ai.usage.input_tokens`
                name = f"{next(x for x in PREFIXES if before.startswith(x))}{name}"
            said.add(name)
            before = name
    assert said == {value for name, value in vars(genai).items() if name.isupper() and isinstance(value, str) and not name.startswith("_")}


PREFIXES = ("gen_ai.request", "gen_ai.response", "gen_ai.usage", "llm_converter")
