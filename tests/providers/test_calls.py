"""What each provider type receives, over real sockets: address, credential, body; and what its answers become."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import aiohttp
import anthropic
import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config as BotoConfig
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from llm_api_converter.framing.aws_event_stream import aws_event, aws_exception
from tests.fakes import KEY, FakeUpstream, Reply, Running, Seen, config, gateway, json_reply, sse_reply, upstream

pytestmark = pytest.mark.anyio

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
QUOTED = CLAUDE.replace(":", "%3A")
SECRET = "wJalrXUtnFEMI-geheim"
KEYS = {"type": "bedrock", "region": "us-east-1", "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": SECRET}
CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}
MESSAGES = {"max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
INVOKE = {"anthropic_version": "bedrock-2023-05-31", **MESSAGES}
CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}}, "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}, "metrics": {"latencyMs": 5},
}
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 2},
}
CHATTED = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "gpt",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
GENERATED = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}, "modelVersion": "gemini",
}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 3, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]
SSE = [f"event: {x['type']}\ndata: {json.dumps(x)}\n\n".encode() for x in EVENTS]


def frame(event: Any) -> bytes:
    payload = {"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "ab"}
    return aws_event({":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}, json.dumps(payload).encode())


def frames_reply(*pieces: Any) -> Reply:
    return Reply(list(pieces), content_type="application/vnd.amazon.eventstream")


@asynccontextmanager
async def case(
    script: Any, provider: dict[str, Any], model: str, suffix: str = "", **more: Any
) -> AsyncIterator[tuple[Running, FakeUpstream, aiohttp.ClientSession]]:
    """A gateway whose model `m` is `model` at one provider that is a fake."""
    async with upstream(script) as fake:
        providers = {"up": {**provider, "base_url": fake.url + suffix}}
        models = [{"name": "m", "provider": "up", "model": model}]
        settings = config(providers, models, retry={"attempts": 0}, **more)
        async with gateway(settings) as running, aiohttp.ClientSession() as http:
            yield running, fake, http


async def post(http: aiohttp.ClientSession, url: str, body: Any, **headers: str) -> tuple[int, bytes, Any]:
    given = {"content-type": "application/json", "authorization": f"Bearer {KEY}", **headers}
    async with http.post(url, data=json.dumps(body).encode(), headers=given) as answer:
        return answer.status, await answer.read(), answer.headers


def signed_as_aws_would(seen: Seen, url: str, *, token: str | None = None, service: str = "bedrock") -> bool:
    """Does botocore sign the request that arrived in the same way?"""
    _, _, listed = seen.headers["authorization"].partition("SignedHeaders=")
    names = listed.partition(",")[0].split(";")
    given = {name: seen.headers[name] for name in names if name not in ("x-amz-date", "x-amz-security-token")}
    request = AWSRequest(method=seen.method, url=url + seen.path, data=seen.body, headers=given)
    now = datetime.strptime(seen.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    with patch("botocore.auth.get_current_datetime", return_value=now):
        SigV4Auth(Credentials("AKIDEXAMPLE", SECRET, token), service, "us-east-1").add_auth(request)
    return bool(request.headers["Authorization"] == seen.headers["authorization"] and abs((datetime.now(UTC) - now).total_seconds()) < 60)


# ------------------------------------------------------------------------------------------------------------- bedrock


@pytest.mark.parametrize("token", [None, "session-geheim"])
async def test_converse_is_signed(token: str | None) -> None:
    provider = {**KEYS, **({"aws_session_token": token} if token else {})}
    async with case([json_reply(CONVERSED)], provider, CLAUDE) as (running, fake, http):
        status, body, headers = await post(http, running.url + "/v1/chat/completions", {**CHAT, "model": "m"})
        assert (status, json.loads(body)["choices"][0]["message"]["content"]) == (200, "hello")
        assert headers["x-upstream-model"] == CLAUDE
        (seen,) = fake.seen
        assert seen.path == f"/model/{QUOTED}/converse"
        assert seen.headers.get("x-amz-security-token") == token
        assert signed_as_aws_would(seen, fake.url, token=token)


async def test_a_prefix_of_the_address_is_signed_too() -> None:
    async with case([json_reply(CONVERSED)], KEYS, CLAUDE, "/proxy") as (running, fake, http):
        assert (await post(http, running.url + "/v1/chat/completions", {**CHAT, "model": "m"}))[0] == 200
        assert fake.seen[0].path == f"/proxy/model/{QUOTED}/converse"
        assert signed_as_aws_would(fake.seen[0], fake.url)


async def test_guardrail_headers_are_signed() -> None:
    async with case([json_reply(CONVERSED)], KEYS, CLAUDE) as (running, fake, http):
        path = "/model/m/converse"
        body = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
        status, _, _ = await post(http, running.url + path, body, **{"x-amzn-bedrock-performanceconfig-latency": "optimized"})
        assert status == 200
        assert "x-amzn-bedrock-performanceconfig-latency" in fake.seen[0].headers["authorization"]
        assert signed_as_aws_would(fake.seen[0], fake.url)


async def test_a_bedrock_key_needs_no_signature() -> None:
    async with case([json_reply(CONVERSED)], {"type": "bedrock", "region": "us-east-1", "api_key": "ABSK-geheim"}, CLAUDE) as (running, fake, http):
        assert (await post(http, running.url + "/v1/chat/completions", {**CHAT, "model": "m"}))[0] == 200
        assert fake.seen[0].headers["authorization"] == "Bearer ABSK-geheim"
        assert "x-amz-date" not in fake.seen[0].headers


async def test_claude_clients_reach_claude_in_its_own_body() -> None:
    async with case([json_reply(MESSAGE)], KEYS, CLAUDE) as (running, fake, http):
        ask = {"model": "m", **MESSAGES, "top_k": 5, "later_field": {"a": 1}}
        status, body, _ = await post(http, running.url + "/v1/messages", ask, **{"anthropic-version": "2023-06-01", "anthropic-beta": "effort-2025-11-24, context-1m-2025-08-07"})
        assert (status, json.loads(body)) == (200, MESSAGE)
        (seen,) = fake.seen
        assert seen.path == f"/model/{QUOTED}/invoke"
        assert seen.json == {"anthropic_version": "bedrock-2023-05-31", **MESSAGES, "top_k": 5, "later_field": {"a": 1},
                             "anthropic_beta": ["effort-2025-11-24", "context-1m-2025-08-07"]}
        assert not [name for name in seen.headers if name.startswith("anthropic")]
        assert signed_as_aws_would(seen, fake.url)


async def test_beta_flags_bedrock_refuses_stay_behind_with_a_report() -> None:
    async with case([json_reply(MESSAGE)], KEYS, CLAUDE) as (running, fake, http):
        ask = {"model": "m", **MESSAGES, "context_management": {"edits": []}, "later_field": 1}
        flags = "oauth-2025-04-20,interleaved-thinking-2025-05-14"
        status, body, headers = await post(http, running.url + "/v1/messages", ask, **{"anthropic-beta": flags})
        assert (status, json.loads(body)["content"]) == (200, MESSAGE["content"])
        assert fake.seen[0].json["anthropic_beta"] == ["interleaved-thinking-2025-05-14"]
        assert fake.seen[0].json["later_field"] == 1
        assert "context_management" not in fake.seen[0].json
        report = json.loads(headers["x-conversion-report"])
        assert {x["path"].rpartition(".")[2] for x in report} == {"oauth-2025-04-20", "context_management"}


@pytest.mark.parametrize("cut", [1, 50, 100000])
async def test_its_stream_is_unwrapped(cut: int) -> None:
    raw = b"".join(map(frame, EVENTS))
    pieces = [raw[i:i + cut] for i in range(0, len(raw), cut)] if cut > 1 else [raw[:1], raw[1:]]
    async with case([frames_reply(*pieces)], KEYS, CLAUDE) as (running, fake, http):
        status, body, headers = await post(http, running.url + "/v1/messages", {"model": "m", **MESSAGES, "stream": True})
        assert (status, body) == (200, b"".join(SSE))
        assert headers["content-type"].startswith("text/event-stream")
        assert fake.seen[0].path == f"/model/{QUOTED}/invoke-with-response-stream"
        assert "stream" not in fake.seen[0].json
        assert fake.seen[0].headers["accept"] == "application/vnd.amazon.eventstream"


async def test_an_exception_in_its_stream_reaches_the_client() -> None:
    script = [frames_reply(frame(EVENTS[0]), frame(EVENTS[1]), frame(EVENTS[2]), 0.1, aws_exception("throttlingException", b'{"message":"slow down"}'))]
    async with case(script, KEYS, CLAUDE) as (running, _, http):
        status, body, _ = await post(http, running.url + "/v1/messages", {"model": "m", **MESSAGES, "stream": True})
        assert status == 200
        last = json.loads(body.strip().rpartition(b"data: ")[2])
        assert last["error"] == {"type": "rate_limit_error", "message": "slow down"}


async def test_a_cut_stream_ends_in_an_error() -> None:
    async with case([frames_reply(b"".join(map(frame, EVENTS[:3])) + frame(EVENTS[3])[:20])], KEYS, CLAUDE) as (running, _, http):
        _, body, _ = await post(http, running.url + "/v1/messages", {"model": "m", **MESSAGES, "stream": True})
        assert body.startswith(b"".join(SSE[:3]) + b"event: error")


async def test_open_models_speak_chat() -> None:
    async with case([json_reply(CHATTED)], KEYS, "openai.gpt-oss-120b-1:0") as (running, fake, http):
        assert (await post(http, running.url + "/v1/chat/completions", {**CHAT, "model": "m"}))[0] == 200
        assert fake.seen[0].path == "/openai/v1/chat/completions"
        assert fake.seen[0].json["model"] == "openai.gpt-oss-120b-1:0"
        assert signed_as_aws_would(fake.seen[0], fake.url)


async def test_aws_refusals_are_told_in_the_clients_words() -> None:
    reply = json_reply({"message": f"the key {SECRET} is not right"}, 403, x_amzn_errortype="UnrecognizedClientException:http://x")
    async with case([reply], KEYS, CLAUDE) as (running, _, http):
        for path in ("/v1/messages", "/v1/chat/completions"):
            status, body, _ = await post(http, running.url + path, {"model": "m", **MESSAGES})
            assert status in (401, 403)
            assert b"is not right" in body
            assert b"geheim" not in body


async def test_claude_is_counted_in_its_own_body() -> None:
    async with case([json_reply({"inputTokens": 42})], KEYS, CLAUDE) as (running, fake, http):
        status, body, headers = await post(http, running.url + "/v1/messages/count_tokens", {"model": "m", "messages": MESSAGES["messages"]})
        assert (status, json.loads(body), headers["x-token-count"]) == (200, {"input_tokens": 42}, "exact")
        assert fake.seen[0].path == f"/model/{QUOTED}/count-tokens"
        inner = json.loads(base64.b64decode(fake.seen[0].json["input"]["invokeModel"]["body"]))
        assert inner["messages"] == MESSAGES["messages"]
        assert signed_as_aws_would(fake.seen[0], fake.url)


# ------------------------------------------------------------------------------------------------------ inbound invoke


def boto(running: Running) -> Any:
    return boto3.client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=running.url, aws_access_key_id=KEY, aws_secret_access_key="any",
        config=BotoConfig(retries={"max_attempts": 1}),
    )


ANTHROPIC = {"type": "anthropic", "api_key": "sk-ant"}


async def test_an_aws_client_reaches_any_claude() -> None:
    async with case([json_reply(MESSAGE)], ANTHROPIC, "claude-x") as (running, fake, _):
        body = json.dumps({**INVOKE, "anthropic_beta": ["b-1"]})
        answer = await asyncio.to_thread(lambda: json.loads(boto(running).invoke_model(modelId="m", body=body)["body"].read()))
        assert answer == MESSAGE
        (seen,) = fake.seen
        assert (seen.path, seen.json) == ("/v1/messages", {"model": "claude-x", **MESSAGES})
        assert (seen.headers["anthropic-version"], seen.headers["anthropic-beta"]) == ("2023-06-01", "b-1")


@pytest.mark.parametrize("up", ["anthropic", "bedrock", "chat"])
async def test_an_aws_client_streams(up: str) -> None:
    chunks = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "g", "choices": [{"index": 0, "delta": d, "finish_reason": f}]}
              for d, f in (({"role": "assistant", "content": "hel"}, None), ({"content": "lo"}, None), ({}, "stop"))]  # fmt: skip
    scripts: dict[str, tuple[Reply, dict[str, Any], str]] = {
        "anthropic": (sse_reply(*SSE), ANTHROPIC, "claude-x"), "bedrock": (frames_reply(*map(frame, EVENTS)), KEYS, CLAUDE),
        "chat": (sse_reply(*(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks), b"data: [DONE]\n\n"),
                 {"type": "openai_compatible", "api_key": "k"}, "gpt"),
    }  # fmt: skip
    reply, provider, model = scripts[up]
    async with case([reply], provider, model, "/v1" if up == "chat" else "") as (running, _, _):
        def read() -> list[Any]:
            answer = boto(running).invoke_model_with_response_stream(modelId="m", body=json.dumps(INVOKE))
            return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]

        events = await asyncio.to_thread(read)
        if up != "chat":
            assert events == EVENTS
        assert "".join(x["delta"].get("text", "") for x in events if x["type"] == "content_block_delta") == "hello"
        assert events[-1]["type"] == "message_stop"


async def test_the_anthropic_sdk_for_bedrock() -> None:
    async with case([json_reply(MESSAGE), sse_reply(*SSE)], ANTHROPIC, "claude-x") as (running, _, _):
        client = anthropic.AsyncAnthropicBedrock(aws_access_key=KEY, aws_secret_key="any", aws_region="us-east-1", base_url=running.url, max_retries=0)
        asked: Any = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
        message = await client.messages.create(**asked)
        assert message.content[0].text == "hello"  # type: ignore[union-attr]
        async with client.messages.stream(**asked) as stream:
            assert await stream.get_final_text() == "hello"
        await client.close()


async def test_errors_are_aws_errors() -> None:
    refusal = json_reply({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}, 429)
    async with case([refusal], ANTHROPIC, "claude-x") as (running, _, _):
        for model, code, said in (("m", "ThrottlingException", "slow down"), ("nope", "ResourceNotFoundException", "nope")):
            with pytest.raises(ClientError) as caught:
                await asyncio.to_thread(lambda model=model: boto(running).invoke_model(modelId=model, body=json.dumps(INVOKE)))
            assert caught.value.response["Error"]["Code"] == code
            assert said in caught.value.response["Error"]["Message"]


TITAN = {"inputText": "hi", "textGenerationConfig": {"temperature": 0.50}}


async def test_other_families_go_to_bedrock_as_they_are() -> None:
    answered = {"inputTextTokenCount": 7, "results": [{"tokenCount": 9, "outputText": "hello"}]}
    reply = json_reply(answered, x_amzn_bedrock_input_token_count="7", x_amzn_bedrock_output_token_count="9")
    async with case([reply], KEYS, "amazon.titan-text-lite-v1") as (running, fake, http):
        async with http.post(running.url + "/model/m/invoke", data=b'{"inputText": "hi" , "x":1.50}', headers={"authorization": f"Bearer {KEY}"}) as answer:
            assert await answer.json() == answered
            assert answer.headers["x-amzn-bedrock-output-token-count"] == "9"
        (seen,) = fake.seen
        assert (seen.path, seen.body) == ("/model/amazon.titan-text-lite-v1/invoke", b'{"inputText": "hi" , "x":1.50}')
        assert signed_as_aws_would(seen, fake.url)


async def test_their_streams_too() -> None:
    raw = [frame({"outputText": "hel"}), frame({"outputText": "lo", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 9}})]
    whole = b"".join(raw)
    async with case([frames_reply(whole[:30], whole[30:200], whole[200:])], KEYS, "amazon.titan-text-lite-v1") as (running, fake, http):
        status, body, _ = await post(http, running.url + "/model/m/invoke-with-response-stream", TITAN)
        assert (status, body) == (200, whole)
        assert fake.seen[0].path.endswith("/invoke-with-response-stream")
    async with case([frames_reply(raw[0], raw[1][:40])], KEYS, "amazon.titan-text-lite-v1") as (running, _, http):
        _, body, _ = await post(http, running.url + "/model/m/invoke-with-response-stream", TITAN)
        assert body.startswith(raw[0])
        assert b":exception-type" in body


async def test_other_families_go_nowhere_else() -> None:
    async with case([json_reply(MESSAGE)], ANTHROPIC, "claude-x") as (running, fake, http):
        status, body, headers = await post(http, running.url + "/model/m/invoke", TITAN)
        assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")
        assert b"anthropic_version" in body
        assert fake.seen == []


async def test_refusals_of_other_families_go_out_as_they_came() -> None:
    reply = json_reply({"message": "Malformed input request"}, 400, x_amzn_errortype="ValidationException:http://x")
    async with case([reply], KEYS, "amazon.titan-text-lite-v1") as (running, _, http):
        status, body, headers = await post(http, running.url + "/model/m/invoke", TITAN)
        assert (status, json.loads(body)) == (400, {"message": "Malformed input request"})
        assert headers["x-amzn-errortype"].startswith("ValidationException")


# -------------------------------------------------------------------------------------------------------------- google


async def test_gemini() -> None:
    async with case([json_reply(GENERATED)], {"type": "gemini", "api_key": "g-geheim"}, "gemini-2.5-flash") as (running, fake, http):
        assert (await post(http, running.url + "/v1/messages", {"model": "m", **MESSAGES}))[0] == 200
        assert fake.seen[0].path == "/v1beta/models/gemini-2.5-flash:generateContent"
        assert fake.seen[0].headers["x-goog-api-key"] == "g-geheim"


VERTEX = {"type": "vertex", "project": "p1", "location": "us-east5", "api_key": "ya29.geheim"}
PREFIX = "/v1/projects/p1/locations/us-east5/publishers"


async def test_gemini_on_vertex() -> None:
    async with case([json_reply(GENERATED)], VERTEX, "gemini-2.5-flash") as (running, fake, http):
        ask = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        assert (await post(http, running.url + "/v1beta/models/m:generateContent", ask))[0] == 200
        assert (await post(http, running.url + "/v1/chat/completions", {**CHAT, "model": "m"}))[0] == 200
        assert [x.path for x in fake.seen] == [f"{PREFIX}/google/models/gemini-2.5-flash:generateContent"] * 2
        assert fake.seen[0].json == ask
        assert {x.headers["authorization"] for x in fake.seen} == {"Bearer ya29.geheim"}


async def test_gemini_streams_on_vertex() -> None:
    script = [sse_reply(b"data: " + json.dumps(GENERATED).encode() + b"\r\n\r\n")]
    async with case(script, VERTEX, "gemini-2.5-flash") as (running, fake, http):
        status, body, _ = await post(http, running.url + "/v1/chat/completions", {**CHAT, "model": "m", "stream": True})
        assert status == 200
        assert b"hello" in body
        assert fake.seen[0].path == f"{PREFIX}/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse"


async def test_claude_on_vertex() -> None:
    async with case([json_reply(MESSAGE), sse_reply(*SSE), json_reply(MESSAGE), json_reply({"input_tokens": 42})], VERTEX, "claude-sonnet-4-5@20250929") as (
        running, fake, http,
    ):  # fmt: skip
        url = running.url + "/v1/messages"
        status, body, _ = await post(http, url, {"model": "m", **MESSAGES}, **{"anthropic-beta": "b-1"})
        assert (status, json.loads(body)) == (200, MESSAGE)
        status, body, _ = await post(http, url, {"model": "m", **MESSAGES, "stream": True})
        assert (status, body) == (200, b"".join(SSE))
        assert (await post(http, running.url + "/v1/chat/completions", {**CHAT, "model": "m"}))[0] == 200
        status, body, _ = await post(http, url + "/count_tokens", {"model": "m", "messages": MESSAGES["messages"]})
        assert (status, json.loads(body)) == (200, {"input_tokens": 42})
        base = f"{PREFIX}/anthropic/models/"
        model = base + "claude-sonnet-4-5@20250929"
        assert [x.path for x in fake.seen] == [f"{model}:rawPredict", f"{model}:streamRawPredict", f"{model}:rawPredict", f"{base}count-tokens:rawPredict"]
        assert fake.seen[0].json == {"anthropic_version": "vertex-2023-10-16", **MESSAGES}
        assert fake.seen[0].headers["anthropic-beta"] == "b-1"
        assert fake.seen[1].json == {"anthropic_version": "vertex-2023-10-16", **MESSAGES, "stream": True}
        assert fake.seen[2].json["anthropic_version"] == "vertex-2023-10-16"
        assert fake.seen[3].json["model"] == "claude-sonnet-4-5@20250929"


async def test_googles_own_refusal_of_claude() -> None:
    async with case([json_reply([{"error": {"code": 404, "message": "no such model", "status": "NOT_FOUND"}}], 404)], VERTEX, "claude-x") as (running, _, http):
        status, body, _ = await post(http, running.url + "/v1/messages", {"model": "m", **MESSAGES})
        assert (status, json.loads(body)["error"]) == (404, {"type": "not_found_error", "message": "no such model"})


# --------------------------------------------------------------------------------------------------------------- azure

AZURE = {"type": "azure_openai", "api_key": "az-geheim"}


@pytest.mark.parametrize(
    ("settings", "path", "expected"),
    [
        ({}, "/v1/chat/completions", "/openai/v1/chat/completions"),
        ({"api_version": "2024-10-21"}, "/v1/chat/completions", "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"),
        ({"api_version": "2024-10-21"}, "/v1/messages", "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"),
    ],
)
@pytest.mark.parametrize("suffix", ["", "/openai/v1/", "/openai"])
async def test_azure_paths(settings: dict[str, str], path: str, expected: str, suffix: str) -> None:
    async with case([json_reply(CHATTED)], {**AZURE, **settings}, "my-gpt", suffix) as (running, fake, http):
        assert (await post(http, running.url + path, {"model": "m", **MESSAGES}))[0] == 200
        assert fake.seen[0].path == expected
        assert fake.seen[0].headers["api-key"] == "az-geheim"
        assert fake.seen[0].json["model"] == "my-gpt"


async def test_azure_embeddings() -> None:
    reply = {"object": "list", "model": "e", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    async with case([json_reply(reply)], {**AZURE, "api_version": "2024-10-21"}, "my-embed") as (running, fake, http):
        assert (await post(http, running.url + "/v1/embeddings", {"model": "m", "input": "hi"}))[0] == 200
        assert fake.seen[0].path == "/openai/deployments/my-embed/embeddings?api-version=2024-10-21"


FILTERED = {"error": {
    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", "type": None, "param": "prompt",
    "code": "content_filter", "status": 400,
    "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True, "severity": "high"}}},
}}  # fmt: skip


async def test_azures_content_filter_is_a_refusal() -> None:
    async with case([json_reply(FILTERED, 400)], AZURE, "my-gpt") as (running, _, http):
        status, body, _ = await post(http, running.url + "/v1/chat/completions", {**CHAT, "model": "m"})
        assert (status, json.loads(body)) == (400, FILTERED)
        status, body, _ = await post(http, running.url + "/v1/messages", {"model": "m", **MESSAGES})
        assert status == 400
        assert "content management policy" in json.loads(body)["error"]["message"]


async def test_azures_filter_results_in_a_stream() -> None:
    first = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}
    chunks = [first, *({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "g", "choices": [
        {"index": 0, "delta": d, "finish_reason": f, "content_filter_results": {}}]} for d, f in (({"role": "assistant", "content": "hello"}, None), ({}, "content_filter")))]
    script = [sse_reply(*(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks), b"data: [DONE]\n\n")]
    async with case(script, AZURE, "my-gpt") as (running, _, http):
        status, body, _ = await post(http, running.url + "/v1/messages", {"model": "m", **MESSAGES, "stream": True})
        assert status == 200
        assert b"hello" in body
        assert b'"stop_reason":"refusal"' in body.replace(b" ", b"")
        assert b"event: message_stop" in body


# ------------------------------------------------------------------------------------------------- openai and deepseek


@pytest.mark.parametrize(
    ("path", "ask", "expected", "scheme"),
    [
        ("/v1/chat/completions", {**CHAT, "model": "m"}, "/chat/completions", "authorization"),
        ("/v1/messages", {"model": "m", **MESSAGES}, "/anthropic/v1/messages", "x-api-key"),
        ("/v1/responses", {"model": "m", "input": "hi"}, "/responses", "authorization"),
        ("/v1beta/models/m:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}, "/chat/completions", "authorization"),
    ],
)
async def test_deepseek_is_spoken_to_in_the_clients_dialect(path: str, ask: Any, expected: str, scheme: str) -> None:
    async with case([json_reply({"error": {"message": "enough", "type": "x"}}, 400)], {"type": "deepseek", "api_key": "ds-key"}, "deepseek-v4-pro") as (
        running, fake, http,
    ):  # fmt: skip
        assert (await post(http, running.url + path, ask))[0] == 400
        assert fake.seen[0].path == expected
        assert fake.seen[0].headers[scheme].endswith("ds-key")


@pytest.mark.parametrize(
    ("model", "path", "expected"),
    [
        ("gpt-4o", "/v1/messages", "/v1/chat/completions"), ("gpt-5.6-terra", "/v1/messages", "/v1/responses"),
        ("gpt-5-codex", "/v1/chat/completions", "/v1/responses"), ("gpt-5.6-terra", "/v1/chat/completions", "/v1/chat/completions"),
    ],
)
async def test_openai_on_chat_and_on_responses(model: str, path: str, expected: str) -> None:
    async with case([json_reply({"error": {"message": "enough"}}, 400)], {"type": "openai", "api_key": "k"}, model, "/v1") as (running, fake, http):
        assert (await post(http, running.url + path, {"model": "m", **MESSAGES}))[0] == 400
        assert fake.seen[0].path == expected
