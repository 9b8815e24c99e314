"""The library: its public surface, one request in every direction, answers, streams, and every recording."""

import base64
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import llm_api_converter
from llm_api_converter import PROTOCOLS, ApiError, StreamConverter, convert_request, convert_response
from tests.recordings import load, needs_recordings

ASK: dict[str, dict[str, Any]] = {
    "anthropic": {"model": "m", "max_tokens": 50, "system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}]},
    "openai_chat": {
        "model": "m", "max_completion_tokens": 50, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    },
    "openai_responses": {"model": "m", "max_output_tokens": 50, "instructions": "Be brief.", "input": "Hi"},
    "gemini": {
        "systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"maxOutputTokens": 50},
    },
    "bedrock_converse": {
        "system": [{"text": "Be brief."}], "messages": [{"role": "user", "content": [{"text": "Hi"}]}], "inferenceConfig": {"maxTokens": 50}
    },
}  # fmt: skip
ANSWER: dict[str, dict[str, Any]] = {
    "anthropic": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "up", "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 2},
    },
    "openai_chat": {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "up",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    },
    "openai_responses": {
        "id": "resp_1", "object": "response", "created_at": 7, "model": "up", "status": "completed",
        "output": [{"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}],
        "usage": {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11},
    },
    "gemini": {
        "responseId": "r1", "modelVersion": "up",
        "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11},
    },
    "bedrock_converse": {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11}, "metrics": {"latencyMs": 5},
    },
}  # fmt: skip


def said(protocol: str, answer: dict[str, Any]) -> str:
    """The answer's text, read without the package."""
    match protocol:
        case "anthropic":
            return str(answer["content"][0]["text"])
        case "openai_chat":
            return str(answer["choices"][0]["message"]["content"])
        case "openai_responses":
            return str(answer["output"][0]["content"][0]["text"])
        case "gemini":
            return str(answer["candidates"][0]["content"]["parts"][0]["text"])
    return str(answer["output"]["message"]["content"][0]["text"])


# ---------------------------------------------------------------- the surface


def test_the_public_surface() -> None:
    names = ["PROTOCOLS", "ApiError", "StreamConverter", "Wire", "convert_request", "convert_response"]
    assert llm_api_converter.__all__ == names == sorted(names, key=lambda x: (not x.isupper(), x.islower(), x))
    assert all(getattr(llm_api_converter, name) is not None for name in names)
    assert set(names) <= set(dir(llm_api_converter))
    with pytest.raises(AttributeError, match="no attribute 'convert_all'"):
        _ = llm_api_converter.convert_all


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys, llm_api_converter\nprint([m for m in sys.modules if m.startswith(('llm_api_converter.', 'msgspec', 'yaml'))])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_library_loads_no_server() -> None:
    code = (
        "import sys\nfrom llm_api_converter import convert_request\n"
        "convert_request({'model': 'm', 'messages': [{'role': 'user', 'content': 'x'}]}, client='openai_chat', upstream='anthropic')\n"
        "heavy = [m for m in ('uvicorn', 'aiohttp', 'pydantic', 'structlog', 'typer', 'asyncio', 'socket') if m in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


# ---------------------------------------------------------------- requests


def plainest(protocol: str, body: dict[str, Any]) -> dict[str, Any]:
    """A request in the protocol that has one spelling for everything."""
    return convert_request(body, client=protocol, upstream="bedrock_converse", model="m")[0].body


@pytest.mark.parametrize("upstream", PROTOCOLS)
@pytest.mark.parametrize("client", PROTOCOLS)
def test_what_all_can_say_crosses_without_a_report(client: str, upstream: str) -> None:
    wire, report = convert_request(ASK[client], client=client, upstream=upstream, model="m")
    assert report == []
    assert plainest(upstream, wire.body) == ASK["bedrock_converse"]


def test_text_and_bytes_are_taken_like_objects() -> None:
    body = ASK["openai_chat"]
    results = [
        convert_request(x, client="openai_chat", upstream="gemini") for x in (body, json.dumps(body), json.dumps(body).encode())
    ]
    assert results[0] == results[1] == results[2]


def test_the_path_carries_the_model_and_the_stream() -> None:
    wire, _ = convert_request(ASK["gemini"], client="gemini", upstream="bedrock_converse", model="us.amazon.nova-pro-v1:0", stream=True)
    assert wire.path == "/model/us.amazon.nova-pro-v1%3A0/converse-stream"
    assert "model" not in wire.body


def test_the_report_names_the_clients_paths() -> None:
    body = {**ASK["gemini"], "generationConfig": {"topK": 5, "seed": 3}}
    _, report = convert_request(body, client="gemini", upstream="anthropic", model="claude-sonnet-4-5")
    assert {"path": "generationConfig.seed", "feature": "seed", "action": "dropped", "class": "tuning"} in report
    assert {x["path"] for x in report} == {"generationConfig.seed"}


def test_facts_of_model_and_provider_are_used() -> None:
    body = {**ASK["openai_chat"], "reasoning_effort": "low"}
    wire, _ = convert_request(body, client="openai_chat", upstream="openai_chat", model="deepseek-v4-pro", provider="deepseek")
    assert wire.body["thinking"] == {"type": "enabled"}
    assert "max_tokens" in wire.body


def test_without_a_provider_a_model_is_as_its_vendor_serves_it() -> None:
    """Forced tools and thinking do not go together at Claude; the catalogue says so of providers."""
    body = {**ASK["anthropic"], "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000},
            "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}}  # fmt: skip
    for upstream, model in (("anthropic", "claude-sonnet-4-5"), ("bedrock_converse", MODELS["bedrock_converse"])):
        wires = [convert_request(body, client="anthropic", upstream=upstream, model=model, provider=x)[0] for x in ("", VENDORS[upstream])]
        assert wires[0] == wires[1]
        assert "any" not in json.dumps(wires[0].body) or "thinking" not in json.dumps(wires[0].body)


def test_flags_in_headers_are_read_in_any_case() -> None:
    flags = {"Anthropic-Beta": "context-1m-2025-08-07"}
    wire, _ = convert_request(ASK["anthropic"], client="anthropic", upstream="anthropic", headers=flags)
    assert wire.headers["anthropic-beta"] == "context-1m-2025-08-07"


@pytest.mark.parametrize(
    ("body", "said", "path"),
    [
        (b'{"model": "m",', "not valid JSON", None),
        (b"", "the body is empty", None),
        ("[]", "expected an object", None),
        ({"model": "m", "messages": [{"role": "user", "content": [{"type": "image"}]}], "max_tokens": 9},
         "messages[0].content[0].source: required", "messages[0].content[0].source"),
        ({"model": "m", "messages": "hi", "max_tokens": 9}, "messages: expected an array", "messages"),
    ],
)  # fmt: skip
def test_bad_input_is_an_error_with_its_path(body: Any, said: str, path: str | None) -> None:
    with pytest.raises(ApiError) as caught:
        convert_request(body, client="anthropic", upstream="openai_chat")
    assert caught.value.kind == "invalid"
    assert said in caught.value.message
    if path is not None:
        assert caught.value.path == path


def test_several_answers_are_for_the_same_protocol_only() -> None:
    body = {**ASK["openai_chat"], "n": 2}
    assert convert_request(body, client="openai_chat", upstream="openai_chat")[0].body["n"] == 2
    with pytest.raises(ApiError, match="more than one answer") as caught:
        convert_request(body, client="openai_chat", upstream="anthropic")
    assert caught.value.path == "n"


def test_names_that_are_none_are_told() -> None:
    with pytest.raises(ApiError, match="client: 'chat' is no protocol; there are anthropic, openai_chat"):
        convert_request(ASK["openai_chat"], client="chat", upstream="gemini")
    with pytest.raises(ApiError, match="upstream: 'claude' is no protocol"):
        convert_request(ASK["openai_chat"], client="openai_chat", upstream="claude")
    with pytest.raises(ApiError, match="provider: 'acme' is no provider type"):
        convert_request(ASK["openai_chat"], client="openai_chat", upstream="gemini", provider="acme")
    with pytest.raises(ApiError, match="array: openai_chat has no streams of that form"):
        StreamConverter(upstream="gemini", client="openai_chat", array=True)
    with pytest.raises(ApiError, match="model: required"):
        convert_request(ASK["gemini"], client="gemini", upstream="openai_chat")


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("client", PROTOCOLS)
@pytest.mark.parametrize("upstream", PROTOCOLS)
def test_an_answer_crosses_without_a_report(client: str, upstream: str) -> None:
    out, report = convert_response(ANSWER[upstream], upstream=upstream, client=client)
    assert report == []
    assert said(client, out) == "Hello"
    again, _ = convert_response(json.dumps(ANSWER[upstream]), upstream=upstream, client=client)
    assert again == out


def test_the_clients_request_gives_its_words_back() -> None:
    """A name the upstream would refuse, and a schema met by a tool."""
    ask = {
        **ASK["gemini"],
        "tools": [{"functionDeclarations": [{"name": "files.read", "parameters": {"type": "OBJECT", "properties": {}}}]}],
    }
    wire, _ = convert_request(ask, client="gemini", upstream="anthropic", model="claude-sonnet-4-5")
    name = wire.body["tools"][0]["name"]
    assert name != "files.read"
    answer = {**ANSWER["anthropic"], "stop_reason": "tool_use", "content": [{"type": "tool_use", "id": "t1", "name": name, "input": {}}]}
    out, _ = convert_response(answer, upstream="anthropic", client="gemini", request=ask, model="claude-sonnet-4-5")
    assert out["candidates"][0]["content"]["parts"][0]["functionCall"]["name"] == "files.read"
    assert out["modelVersion"] == "claude-sonnet-4-5"

    ask = {**ASK["openai_chat"], "response_format": {"type": "json_schema", "json_schema": {"name": "out", "schema": {"type": "object"}}}}
    wire, report = convert_request(ask, client="openai_chat", upstream="bedrock_converse", model="amazon.nova-pro-v1:0")
    assert "emulated" in {x["action"] for x in report}
    (tool,) = wire.body["toolConfig"]["tools"]
    call = {"toolUse": {"toolUseId": "t1", "name": tool["toolSpec"]["name"], "input": {"a": 1}}}
    answer = {**ANSWER["bedrock_converse"], "stopReason": "tool_use", "output": {"message": {"role": "assistant", "content": [call]}}}
    out, _ = convert_response(answer, upstream="bedrock_converse", client="openai_chat", request=ask, model="amazon.nova-pro-v1:0")
    assert json.loads(said("openai_chat", out)) == {"a": 1}
    assert out["choices"][0]["finish_reason"] == "stop"
    assert out["model"] == "m"


def test_made_up_ids_are_counted_or_given() -> None:
    results = [convert_response(ANSWER["bedrock_converse"], upstream="bedrock_converse", client="openai_chat")[0] for _ in range(2)]
    assert results[0] == results[1]
    assert results[0]["id"] == "chatcmpl-1"
    out, _ = convert_response(
        ANSWER["bedrock_converse"], upstream="bedrock_converse", client="openai_chat", new_id=lambda prefix: prefix + "mine", created_s=99
    )
    assert (out["id"], out["created"]) == ("chatcmpl-mine", 99)


def test_an_answer_that_is_none_is_an_error() -> None:
    with pytest.raises(ApiError) as caught:
        convert_response({"hello": 1}, upstream="anthropic", client="openai_chat")
    assert caught.value.kind == "upstream_failed"


# ---------------------------------------------------------------- streams


def streamed(upstream: str) -> bytes:
    """The stream of ANSWER, as that protocol's own clients get it."""
    from llm_api_converter.hub.fold import unfold
    from llm_api_converter.hub.ledger import Ledger
    from llm_api_converter.protocols import codec
    from llm_api_converter.protocols.base import Answer

    up = codec(upstream)
    answer = Answer(model="up", new_id=lambda prefix: f"{prefix}0", include_usage=True)
    return up.stream_encoder(answer, Ledger()).encode(unfold(up.decode_response(json.dumps(ANSWER[upstream]).encode())))


def text_of_stream(client: str, data: bytes) -> str:
    """The text a stream adds up to, in whatever protocol."""
    from llm_api_converter.hub.fold import fold
    from llm_api_converter.hub.messages import Text
    from llm_api_converter.protocols import codec

    decoder = codec(client).stream_decoder()
    whole = fold([*decoder.feed(data), *decoder.finish()])
    assert whole.model in ("up", "")
    assert whole.usage is not None
    assert (whole.usage.input_total, whole.usage.output_total) == (9, 2)
    return "".join(x.text for x in whole.parts if isinstance(x, Text))


@pytest.mark.parametrize("client", PROTOCOLS)
@pytest.mark.parametrize("upstream", PROTOCOLS)
def test_a_stream_crosses_in_any_pieces(upstream: str, client: str) -> None:
    data = streamed(upstream)
    outs = []
    for size in (1, 7, len(data)):
        stream = StreamConverter(upstream=upstream, client=client)
        out = b"".join(stream.feed(data[i:i + size]) for i in range(0, len(data), size)) + stream.finish()
        assert stream.report == []
        assert stream.error is None
        outs.append(out)
    assert outs[0] == outs[1] == outs[2]
    assert text_of_stream(client, outs[0]) == "Hello"


@pytest.mark.parametrize("client", PROTOCOLS)
def test_a_cut_stream_ends_in_the_clients_error(client: str) -> None:
    data = streamed("anthropic")
    stream = StreamConverter(upstream="anthropic", client=client)
    out = stream.feed(data[: data.index(b"event: message_stop")].rpartition(b"event: message_delta")[0]) + stream.finish()
    assert stream.error is not None
    assert stream.error.kind == "upstream_incomplete"
    assert b"ended" in out
    assert stream.finish() == b""


def test_a_json_array_for_clients_that_stream_so() -> None:
    stream = StreamConverter(upstream="openai_chat", client="gemini", array=True)
    chunks = json.loads(stream.feed(streamed("openai_chat")) + stream.finish())
    assert "".join(p["text"] for c in chunks for p in c["candidates"][0]["content"]["parts"]) == "Hello"


# ---------------------------------------------------------------- recordings

FILES = {
    "anthropic_messages": "anthropic", "openai_chat": "openai_chat", "openai_responses": "openai_responses", "gemini_generate": "gemini",
    "gemini_stream": "gemini", "bedrock_converse": "bedrock_converse", "bedrock_converse_stream": "bedrock_converse",
}  # fmt: skip
MODELS = {
    "anthropic": "claude-sonnet-4-5", "openai_chat": "gpt-4o", "openai_responses": "gpt-5", "gemini": "gemini-2.5-pro",
    "bedrock_converse": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
}  # fmt: skip
VENDORS = {"anthropic": "anthropic", "bedrock_converse": "bedrock"}
EVERY = 1 if os.environ.get("FULL") == "1" else 4
"""FULL=1 takes every recording, otherwise every fourth."""
REQUEST_ERRORS = (
    r"n: more than one answer can be asked only of an upstream that speaks your own protocol",
    r"contents\[0\]\.role: expected user or model, got 'invalid_role'",  # recorded to show the provider's 400
    r"messages\[1\]\.content\[0\]\.type: required",  # likewise
)
ANSWER_ERRORS = (
    r"Unsupported parameter", r"The response was filtered", r"Token limit reached", r"Tool call validation failed",
    r"You exceeded your current quota", r"The operation was cancelled",  # the providers' own errors, with status 200 or none
    r"the upstream's answer has neither content nor a finish reason", r"the upstream ended its stream without a finish reason",
    r"the upstream's stream is broken: the upstream began another answer inside this one",  # streams cut or spliced on purpose
    r"the model wrote a tool call that cannot be read",
)  # fmt: skip


def sampled() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, protocol in FILES.items():
        yield from ((protocol, record) for record in load(name)[::EVERY])


def expected(error: ApiError, reasons: tuple[str, ...]) -> bool:
    return any(re.match(reason, error.message) for reason in reasons)


def check_report(report: list[dict[str, str]]) -> None:
    assert all(set(x) == {"path", "feature", "action", "class"} and x["feature"] for x in report), report


@needs_recordings
def test_every_recorded_request_in_every_direction() -> None:
    done: Counter[str] = Counter()
    for client, record in sampled():
        request = record["request"]
        if not request or not isinstance(request.get("body"), dict):
            continue
        for upstream, model in MODELS.items():
            try:
                wire, report = convert_request(
                    request["body"], client=client, upstream=upstream, model=model, stream=record["stream"],
                    headers=request.get("headers") or {},
                )  # fmt: skip
            except ApiError as error:
                if not expected(error, REQUEST_ERRORS):
                    raise AssertionError(record["id"], upstream) from error
                done["refused"] += 1
                continue
            assert json.loads(json.dumps(wire.body)) == wire.body
            assert wire.path.startswith("/")
            check_report(report)
            done["crossed"] += 1
    assert done["crossed"] > 15_000 // EVERY
    assert done["refused"] < 150 // EVERY


@needs_recordings
def test_every_recorded_answer_in_every_direction() -> None:
    done: Counter[str] = Counter()
    for upstream, record in sampled():
        body = record["response"].get("body")
        data = body.encode() if isinstance(body, str) else base64.b64decode(record["response"].get("body_b64") or "")
        if (record["response"]["status"] or 200) >= 300 or not (data or isinstance(body, dict)):
            continue
        for client in PROTOCOLS:
            try:
                if isinstance(body, dict):
                    answer, report = convert_response(body, upstream=upstream, client=client)
                    json.dumps(answer)
                else:
                    stream = StreamConverter(upstream=upstream, client=client)
                    assert stream.feed(data) + stream.finish()
                    report = stream.report
                    if stream.error is not None:
                        raise stream.error
            except ApiError as error:
                if not expected(error, ANSWER_ERRORS):
                    raise AssertionError(record["id"], client) from error
                done["refused"] += 1
                continue
            check_report(report)
            done["crossed"] += 1
    assert done["crossed"] > 15_000 // EVERY
    assert done["refused"] < 100 // EVERY + 20
