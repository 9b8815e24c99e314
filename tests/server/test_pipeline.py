"""One request through the whole gateway, over real sockets: errors, tries, pass-through, translation, keep-alive, departure."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llm_api_converter.server.cork import CorkedProtocol
from tests.fakes import CUT, HANG, KEY, FakeUpstream, Reply, Running, config, gateway, json_reply, sse_reply, upstream

pytestmark = pytest.mark.anyio

CHAT_ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "up-model",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello there"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
}
ANTHROPIC_ANSWER: dict[str, Any] = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up", "content": [{"type": "text", "text": "hello there"}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 11, "output_tokens": 3},
}
CHAT_ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
ANTHROPIC_ASK = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "up-model",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


USAGE_CHUNK = (
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"up-model","choices":[],'
    b'"usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14}}\n\n'
)
CHAT_STREAM = [chunk({"role": "assistant", "content": ""}), chunk({"content": "hel"}), chunk({"content": "lo"}), chunk({}, "stop"),
               USAGE_CHUNK, b"data: [DONE]\n\n"]


@asynccontextmanager
async def case(
    script: Any, protocol: str = "openai_chat", server_protocol: type[HttpToolsProtocol] = CorkedProtocol, **settings: Any
) -> AsyncIterator[tuple[Running, FakeUpstream, aiohttp.ClientSession]]:
    async with upstream(script) as fake:
        provider: dict[str, Any] = {"type": "openai_compatible", "base_url": fake.url + "/v1", "api_key": "sk-upstream-secret-1"}
        if protocol == "anthropic":
            provider = {"type": "anthropic", "base_url": fake.url, "api_key": "sk-upstream-secret-1"}
        settings.setdefault("retry", {"attempts": 2, "max_wait_s": 0.05})
        models = [{"name": "m", "provider": "up", "model": "up-model"}]
        async with gateway(config({"up": provider}, models, **settings), server_protocol) as running, aiohttp.ClientSession() as http:
            yield running, fake, http


async def post(http: aiohttp.ClientSession, url: str, body: Any, key: str | None = KEY, **headers: str) -> tuple[int, bytes, Any]:
    if key is not None:
        headers.setdefault("authorization", f"Bearer {key}")
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with http.post(url, data=data, headers={"content-type": "application/json", **headers}) as answer:
        return answer.status, await answer.read(), answer.headers


CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        (CHAT, b'{"model": "m", "messages": [}', 400, "byte 28"),
        (MESSAGES, b'{"model": "m",', 400, "not valid JSON"),
        (CHAT, b"", 400, "the body is empty"),
        (CHAT, {"messages": []}, 400, "model: required"),
        (CHAT, {**CHAT_ASK, "model": 3}, 400, "model: expected a string"),
        (CHAT, {**CHAT_ASK, "stream": "yes"}, 400, "stream: expected a boolean"),
        (CHAT, {**CHAT_ASK, "model": "mm"}, 404, "Did you mean m?"),
        (MESSAGES, {**ANTHROPIC_ASK, "model": "claude-haiku-9"}, 404, "ANTHROPIC_DEFAULT_HAIKU_MODEL"),
        (MESSAGES, {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": [{"type": "image"}]}]}, 400,
         "messages[0].content[0].source: required"),
        (MESSAGES, {"model": "m", "max_tokens": "x", "messages": []}, 400, "max_tokens: expected a whole number"),
    ],
)
async def test_a_bad_request_is_told_what_is_wrong(path: str, body: Any, status: int, said: str) -> None:
    async with case([json_reply(CHAT_ANSWER)]) as (running, fake, http):
        got, answer, headers = await post(http, running.url + path, body)
        message = json.loads(answer)["error"]["message"]
        assert (got, said in message) == (status, True), message
        assert ("type" in json.loads(answer)) == (path == MESSAGES)
        assert headers["x-request-id"]
        assert fake.seen == []


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401), ({"authorization": "Bearer wrong"}, 401), ({"x-api-key": "wrong"}, 401),
        ({"authorization": f"Bearer {KEY}"}, 200), ({"x-api-key": KEY}, 200), ({"api-key": KEY}, 200), ({"x-goog-api-key": KEY}, 200),
        ({"authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/20261101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=0"}, 200),
    ],
)
async def test_keys_are_taken_in_every_form(path: str, headers: dict[str, str], status: int) -> None:
    async with case([json_reply(CHAT_ANSWER)]) as (running, _, http):
        got, answer, _ = await post(http, running.url + path, CHAT_ASK if path == CHAT else ANTHROPIC_ASK, key=None, **headers)
        assert got == status
        if status == 401:
            assert "key" in json.loads(answer)["error"]["message"]


async def test_a_body_over_the_limit_is_413_also_when_its_length_is_not_said() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 100

    async with case([json_reply(CHAT_ANSWER)], server={"max_body_bytes": 2000}) as (running, _, http):
        status, answer, _ = await post(http, running.url + MESSAGES, b" " * 2001)
        assert status == 413
        assert json.loads(answer)["error"]["type"] == "request_too_large"
        async with http.post(running.url + CHAT, data=pieces(), headers={"x-api-key": KEY}) as chunked:
            assert chunked.status == 413


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/v1/nothing", "GET", 404), ("/v1/messages/x", "POST", 404), (CHAT, "GET", 405), ("/", "HEAD", 200), ("/health", "GET", 200),
     ("/ready", "GET", 200), ("/liveness", "GET", 200), ("/api/event_logging/batch", "POST", 200), ("/metrics", "GET", 200)],
)
async def test_paths(path: str, method: str, status: int) -> None:
    async with case([]) as (running, _, http), http.request(method, running.url + path) as answer:
        assert answer.status == status
        if path.startswith("/v1/messages"):
            assert (await answer.json())["type"] == "error"


async def test_the_same_protocol_passes_byte_for_byte() -> None:
    raw_answer = json.dumps(CHAT_ANSWER, indent=3).encode()
    raw = b'{"zz": [1.0, 1e3],  "model" :"m", "messages":[{"role":"user","content":"\\u00e9 \xc3\xa9", "x_new": null}] }'
    async with case([Reply([raw_answer], headers={"x-ratelimit-remaining-requests": "7", "set-cookie": "a=b"})]) as (running, fake, http):
        status, answer, headers = await post(http, running.url + CHAT, raw)
        assert (status, answer) == (200, raw_answer)
        assert fake.seen[0].body == raw.replace(b'"m"', b'"up-model"')
        assert fake.seen[0].headers["authorization"] == "Bearer sk-upstream-secret-1"
        assert headers["x-ratelimit-remaining-requests"] == "7"
        assert (headers["x-upstream-provider"], headers["x-upstream-model"]) == ("up", "up-model")
        assert "set-cookie" not in headers
        assert "x-conversion-report" not in headers


async def test_usage_is_asked_for_and_its_chunk_kept_from_a_client_that_did_not_ask() -> None:
    async with case([sse_reply(*CHAT_STREAM)]) as (running, fake, http):
        _, answer, _ = await post(http, running.url + CHAT, {**CHAT_ASK, "stream": True})
        assert fake.seen[0].json["stream_options"] == {"include_usage": True}
        assert answer == b"".join(x for x in CHAT_STREAM if x is not USAGE_CHUNK)
        _, answer, _ = await post(http, running.url + CHAT, {**CHAT_ASK, "stream": True, "stream_options": {"include_usage": True}})
        assert answer == b"".join(CHAT_STREAM)
        metrics = await (await http.get(running.url + "/metrics")).text()
        assert 'gen_ai_client_token_usage_sum{client_protocol="openai_chat",gen_ai_token_type="input",model="m",provider="up"} 22.0' in metrics


async def test_an_anthropic_client_on_a_chat_upstream() -> None:
    async with case([json_reply(CHAT_ANSWER)]) as (running, fake, http):
        status, answer, headers = await post(http, running.url + MESSAGES, {**ANTHROPIC_ASK, "system": "be kind", "top_k": 3})
        got = json.loads(answer)
        assert status == 200
        assert got["content"] == [{"type": "text", "text": "hello there"}]
        assert (got["model"], got["stop_reason"], got["usage"]["input_tokens"]) == ("m", "end_turn", 11)
        assert fake.seen[0].path == "/v1/chat/completions"
        assert [m["role"] for m in fake.seen[0].json["messages"]] == ["system", "user"]
        assert {x["path"] for x in json.loads(headers.get("x-conversion-report", "[]"))} <= {"top_k"}


async def test_a_chat_client_on_an_anthropic_upstream() -> None:
    async with case([json_reply(ANTHROPIC_ANSWER)], "anthropic") as (running, fake, http):
        status, answer, headers = await post(http, running.url + CHAT, CHAT_ASK)
        got = json.loads(answer)
        assert status == 200
        assert got["choices"][0]["message"]["content"] == "hello there"
        assert got["usage"]["prompt_tokens"] == 11
        assert fake.seen[0].headers["x-api-key"] == "sk-upstream-secret-1"
        assert fake.seen[0].json["max_tokens"] > 0
        assert "x-conversion-report" not in headers


async def test_a_translated_stream() -> None:
    async with case([sse_reply(*CHAT_STREAM)]) as (running, _, http):
        status, answer, headers = await post(http, running.url + MESSAGES, {**ANTHROPIC_ASK, "stream": True})
        assert status == 200
        assert headers["content-type"].startswith("text/event-stream")
        names = [line[7:] for line in answer.decode().split("\n") if line.startswith("event: ")]
        assert names[0] == "message_start"
        assert names[-1] == "message_stop"
        assert b'"hel' in answer


REFUSED = {"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("bad", [json_reply(REFUSED, 429), json_reply({"error": "oops"}, 500), json_reply({}, 503), Reply([CUT]),
                                 Reply([HANG]), json_reply(REFUSED, 429, retry_after="0")])
async def test_an_upstream_that_fails_twice_is_asked_a_third_time(path: str, stream: bool, bad: Reply) -> None:
    good = sse_reply(*CHAT_STREAM) if stream else json_reply(CHAT_ANSWER)
    async with case([bad, bad, good], upstream={"timeout_s": 0.2}) as (running, fake, http):
        status, answer, _ = await post(http, running.url + path, {**(CHAT_ASK if path == CHAT else ANTHROPIC_ASK), "stream": stream})
        assert (status, len(fake.seen)) == (200, 3)
        assert b"hel" in answer


async def test_a_failure_that_stays_is_told_with_its_words_and_its_patience() -> None:
    async with case([json_reply(REFUSED, 429, retry_after="77")]) as (running, fake, http):
        status, answer, headers = await post(http, running.url + MESSAGES, ANTHROPIC_ASK)
        assert (status, len(fake.seen), headers["retry-after"]) == (429, 1, "77")
        assert json.loads(answer)["error"]["type"] == "rate_limit_error"
        assert "slow down" in json.loads(answer)["error"]["message"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_refusal_is_not_tried_again_and_keeps_its_status(status: int) -> None:
    async with case([json_reply({"error": {"message": "no sk-upstream-secret-1", "type": "x", "code": None}}, status)]) as (running, fake, http):
        got, answer, _ = await post(http, running.url + CHAT, CHAT_ASK)
        assert (got, len(fake.seen)) == (status, 1)
        assert answer == b'{"error": {"message": "no ***", "type": "x", "code": null}}'
        got, answer, _ = await post(http, running.url + MESSAGES, ANTHROPIC_ASK)
        assert got == {422: 400}.get(status, status)
        assert json.loads(answer)["error"]["message"] == "no ***"


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_upstream_that_speaks_nonsense(path: str, stream: bool) -> None:
    reply = Reply([b"<html>hello"], content_type="text/html")
    async with case([reply], retry={"attempts": 0}) as (running, _, http):
        status, answer, _ = await post(http, running.url + path, {**(CHAT_ASK if path == CHAT else ANTHROPIC_ASK), "stream": stream})
        assert status >= 500 or (path == CHAT and not stream)
        assert stream or path == CHAT or json.loads(answer)["error"]["type"] == "api_error"


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("label", ["application/json", "text/plain"])
async def test_a_stream_of_events_under_another_label(path: str, stream: bool, label: str) -> None:
    """As the gateways of some vendors send it: four of the recordings made with dd-trace."""
    first, *rest = CHAT_STREAM
    async with case([Reply([first[:3], 0.05, first[3:], *rest], content_type=label)]) as (running, _, http):
        status, answer, headers = await post(http, running.url + path, {**(CHAT_ASK if path == CHAT else ANTHROPIC_ASK), "stream": stream})
        assert status == 200
        assert b'"hel' in answer
        if path == MESSAGES:
            assert headers["content-type"].partition(";")[0] == ("text/event-stream" if stream else "application/json")


async def test_an_upstream_that_is_not_there() -> None:
    settings = config({"up": {"type": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}},
                      [{"name": "m", "provider": "up", "model": "x"}], retry={"attempts": 0})
    async with gateway(settings) as running, aiohttp.ClientSession() as http:
        status, answer, _ = await post(http, running.url + MESSAGES, ANTHROPIC_ASK)
        assert status >= 500
        assert "`up` cannot be reached" in json.loads(answer)["error"]["message"]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("end", [CUT, b""])
async def test_a_stream_without_its_end_is_an_error_never_a_fake_finish(path: str, end: Any) -> None:
    half = b'data: {"id":"c1","choices":[{"index":0,"delta":{"con'
    pieces = [*CHAT_STREAM[:3], half] + ([CUT] if end is CUT else [])
    async with case([sse_reply(*pieces)]) as (running, fake, http):
        status, answer, _ = await post(http, running.url + path, {**(CHAT_ASK if path == CHAT else ANTHROPIC_ASK), "stream": True})
        assert (status, len(fake.seen)) == (200, 1)
        assert b"[DONE]" not in answer
        assert b"message_stop" not in answer
        assert half not in answer
        last = answer.rstrip().rsplit(b"\n\n", 1)[-1]
        assert b'"error"' in last
        for line in answer.split(b"\n"):
            if line.startswith(b"data: "):
                json.loads(line[6:])


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_pings_begin_before_the_first_byte_and_an_error_then_comes_in_the_stream(path: str) -> None:
    async with case([Reply([HANG])], retry={"attempts": 0}, upstream={"timeout_s": 0.5}) as (running, _, http):
        running.app.runtime.ping_after_s = 0.1
        status, answer, _ = await post(http, running.url + path, {**(CHAT_ASK if path == CHAT else ANTHROPIC_ASK), "stream": True})
        ping = b"event: ping" if path == MESSAGES else b":"
        assert status == 200
        assert answer.count(ping) >= 3
        assert answer.startswith(ping)
        assert b'"error"' in answer.rstrip().rsplit(b"\n\n", 1)[-1]


async def test_pings_in_the_middle_and_a_retry_after_them() -> None:
    bad = json_reply(REFUSED, 429)
    slow = sse_reply(0.3, *CHAT_STREAM[:2], 0.3, *CHAT_STREAM[2:])
    async with case([bad, slow]) as (running, fake, http):
        running.app.runtime.ping_after_s = 0.1
        status, answer, _ = await post(http, running.url + MESSAGES, {**ANTHROPIC_ASK, "stream": True})
        assert (status, len(fake.seen)) == (200, 2)
        assert answer.count(b"event: ping") >= 4
        assert answer.rstrip().endswith(b'{"type":"message_stop"}')


async def leave(url: str, path: str, body: Any, after: bytes | None) -> None:
    """Send a request on a raw socket and close it: at once, or after `after` has come."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps(body).encode()
    writer.write(f"POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
    await writer.drain()
    got = b""
    while after is not None and after not in got:
        got += await reader.read(65536)
    if after is None:
        await asyncio.sleep(0.05)
    writer.close()


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    ("reply", "stream", "after"),
    [(Reply([HANG]), True, None), (Reply([HANG]), False, None), (sse_reply(*CHAT_STREAM[:2], HANG), True, b"hel")],
)
async def test_a_client_that_leaves_takes_its_upstream_call_with_it(path: str, reply: Reply, stream: bool, after: bytes | None) -> None:
    async with case([reply]) as (running, fake, http):
        await leave(running.url, path, {**(CHAT_ASK if path == CHAT else ANTHROPIC_ASK), "stream": stream}, after)
        await asyncio.wait_for(fake.seen[0].closed.wait(), 0.1)
        await asyncio.sleep(0.05)
        metrics = await (await http.get(running.url + "/metrics")).text()
        assert 'status="499"' in metrics
        assert "llm_converter_in_flight 0.0" in metrics


@pytest.mark.parametrize("server_protocol", [CorkedProtocol, HttpToolsProtocol])
@pytest.mark.parametrize("size", [10, 600_000])
async def test_a_departure_is_seen_on_any_server_and_behind_any_body(server_protocol: type[HttpToolsProtocol], size: int) -> None:
    """One that tells by a call, and one that has nothing but ASGI. A large body makes the server stop reading for a while."""
    ask = {**CHAT_ASK, "messages": [{"role": "user", "content": "x" * size}]}
    async with case([Reply([HANG])], server_protocol=server_protocol) as (running, fake, _):
        await leave(running.url, CHAT, ask, None)
        async with asyncio.timeout(2):
            while not fake.seen:
                await asyncio.sleep(0.01)
            await fake.seen[0].closed.wait()
        assert running.app.runtime.metrics.in_flight == 0


async def test_a_thousand_abandoned_streams_leave_nothing_behind() -> None:
    async with case([sse_reply(*CHAT_STREAM[:2], HANG)]) as (running, fake, _):
        body = {**ANTHROPIC_ASK, "stream": True}
        await asyncio.gather(*(leave(running.url, MESSAGES, body, b"hel") for _ in range(50)))
        await asyncio.sleep(0.3)
        gc.collect()
        tasks, objects = len(asyncio.all_tasks()), len(gc.get_objects())
        for _ in range(19):
            await asyncio.gather(*(leave(running.url, MESSAGES, body, b"hel") for _ in range(50)))
        for _ in range(50):
            await asyncio.sleep(0.05)
            if fake.open_connections == 0:
                break
        fake_requests = len(fake.seen)
        fake.seen.clear()
        gc.collect()
        assert fake_requests == 1000
        assert fake.open_connections == 0
        assert running.app.runtime.metrics.in_flight == 0
        assert len(asyncio.all_tasks()) <= tasks
        assert len(gc.get_objects()) < objects + 20_000


async def test_counting_is_exact_where_the_upstream_counts_and_labelled_where_not() -> None:
    ask = {k: v for k, v in ANTHROPIC_ASK.items() if k != "max_tokens"}
    async with case([json_reply({"input_tokens": 42})], "anthropic") as (running, fake, http):
        _, answer, headers = await post(http, running.url + "/v1/messages/count_tokens", ask)
        assert (json.loads(answer), headers["x-token-count"]) == ({"input_tokens": 42}, "exact")
        assert (fake.seen[0].path, fake.seen[0].json["model"]) == ("/v1/messages/count_tokens", "up-model")
    async with case([json_reply({})]) as (running, fake, http):
        _, answer, headers = await post(http, running.url + "/v1/messages/count_tokens", ask)
        assert json.loads(answer)["input_tokens"] > 0
        assert headers["x-token-count"] == "estimate"
        assert fake.seen == []


async def test_a_count_is_translated_for_an_upstream_that_counts() -> None:
    ask = {"input": "hello", "model": "m"}
    async with case([json_reply({"input_tokens": 42})], "anthropic") as (running, fake, http):
        _, answer, headers = await post(http, running.url + "/v1/responses/input_tokens", ask)
        assert (json.loads(answer)["input_tokens"], headers["x-token-count"]) == (42, "exact")
        assert fake.seen[0].path == "/v1/messages/count_tokens"
        assert fake.seen[0].json["messages"] == [{"role": "user", "content": "hello"}]


async def test_models_come_in_the_askers_shape() -> None:
    async with case([]) as (running, _, http):
        ours = await (await http.get(running.url + "/v1/models", headers={"x-api-key": KEY})).json()
        assert ours["object"] == "list"
        assert [x["id"] for x in ours["data"]] == ["m"]
        claude = await (await http.get(running.url + "/v1/models", headers={"x-api-key": KEY, "anthropic-version": "2023-06-01"})).json()
        assert claude["data"][0]["type"] == "model"
        assert "has_more" in claude
        one = await http.get(running.url + "/v1/models/m", headers={"x-api-key": KEY})
        assert (await one.json())["id"] == "m"
        facts = await (await http.get(running.url + "/v1/capabilities?model=m", headers={"x-api-key": KEY})).json()
        assert facts["model"] == "m"


async def test_what_the_upstream_calls_unsupported_is_left_out_the_next_time() -> None:
    refusal = json_reply({"error": {"message": "Unsupported parameter: 'temperature' is not supported with this model.",
                                    "type": "invalid_request_error", "param": "temperature", "code": "unsupported_parameter"}}, 400)
    async with case([refusal, json_reply(CHAT_ANSWER), json_reply(CHAT_ANSWER)]) as (running, fake, http):
        ask = {**ANTHROPIC_ASK, "temperature": 0.5}
        status, _, headers = await post(http, running.url + MESSAGES, ask)
        assert (status, len(fake.seen)) == (200, 2)
        assert "temperature" not in fake.seen[1].json
        assert {"path": "temperature", "feature": "temperature", "action": "dropped", "class": "tuning"} in json.loads(
            headers["x-conversion-report"])
        await post(http, running.url + MESSAGES, ask)
        assert "temperature" not in fake.seen[2].json


async def test_a_loss_of_content_is_refused_unless_the_settings_allow_it() -> None:
    audio = {"role": "user", "content": [{"type": "text", "text": "hear"},
                                         {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}]}
    async with case([json_reply(ANTHROPIC_ANSWER)], "anthropic") as (running, fake, http):
        status, answer, _ = await post(http, running.url + CHAT, {"model": "m", "messages": [audio]})
        assert status == 400
        assert "messages[0].content[1]" in json.loads(answer)["error"]["message"]
        assert fake.seen == []
    async with case([json_reply(ANTHROPIC_ANSWER)], "anthropic", conversion={"on_loss": {"content": "report"}}) as (running, _, http):
        status, _, headers = await post(http, running.url + CHAT, {"model": "m", "messages": [audio]})
        assert status == 200
        assert any(x["path"].startswith("messages[0].content[1]") for x in json.loads(headers["x-conversion-report"]))
