"""Broken input of any shape ends in an ApiError that says where, never in another exception."""

import copy
import json
import random
from typing import Any

import pytest

from llm_api_converter.framing.aws_event_stream import aws_event
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Aside, Begin, Failed, check
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.protocols.base import Answer
from llm_api_converter.protocols.bedrock_converse import CODEC

REQUEST = {
    "messages": [
        {"role": "user", "content": [
            {"text": "a"}, {"cachePoint": {"type": "default", "ttl": "5m"}},
            {"image": {"format": "png", "source": {"bytes": "AA=="}}},
            {"document": {"format": "pdf", "name": "n", "source": {"s3Location": {"uri": "s3://b/k"}}, "citations": {"enabled": True}}},
            {"document": {"name": "n", "source": {"content": [{"text": "x"}]}}},
            {"guardContent": {"text": {"text": "g", "qualifiers": ["query"]}}},
            {"searchResult": {"source": "s", "title": "t", "content": [{"text": "x"}]}},
        ]},
        {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "r", "signature": "s"}}}, {"reasoningContent": {"redactedContent": "AA=="}},
            {"citationsContent": {"content": [{"text": "t"}], "citations": [{"title": "t", "sourceContent": [{"text": "q"}], "location": {"web": {"url": "u"}}}]}},
            {"toolUse": {"toolUseId": "c", "name": "f", "input": {"a": 1}, "type": "server_tool_use"}},
        ]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c", "content": [{"json": {}}, {"text": "t"}], "status": "success", "type": "r"}}]},
    ],
    "system": [{"text": "s"}],
    "inferenceConfig": {"maxTokens": 1, "temperature": 0.5, "topP": 0.5, "stopSequences": ["x"]},
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}, "strict": True}}, {"systemTool": {"name": "n"}}, {"cachePoint": {"type": "default"}}],
        "toolChoice": {"tool": {"name": "f"}},
    },
    "additionalModelRequestFields": {
        "thinking": {"type": "enabled", "budget_tokens": 1, "display": "omitted"}, "reasoning_config": "low", "reasoning_effort": "low",
        "top_k": 1, "inferenceConfig": {"topK": 1}, "anthropic_beta": ["b"], "output_config": {"effort": "low"},
    },
    "outputConfig": {"effort": "low", "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}", "name": "n"}}}},
    "serviceTier": {"type": "flex"}, "requestMetadata": {"k": "v"}, "guardrailConfig": {"trace": "enabled"},
}  # fmt: skip
ANSWER = {
    "output": {"message": {"role": "assistant", "content": REQUEST["messages"][1]["content"]}},  # type: ignore[index]
    "stopReason": "end_turn", "metrics": {"latencyMs": 1}, "serviceTier": {"type": "flex"},
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2, "cacheReadInputTokens": 1, "cacheDetails": [{"ttl": "1h", "inputTokens": 1}]},
}  # fmt: skip
FRAMES: list[tuple[str, dict[str, Any]]] = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "a"}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"citation": {"title": "t", "location": {"web": {"url": "u"}}}}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"reasoningContent": {"text": "r"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": "AA=="}}}),
    ("contentBlockStop", {"contentBlockIndex": 1}),
    ("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "c", "name": "f"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": "{}"}}}),
    ("contentBlockStop", {"contentBlockIndex": 2}),
    ("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolResult": {"toolUseId": "c", "type": "r", "status": "success"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 3, "delta": {"toolResult": [{"text": "t"}]}}),
    ("contentBlockStop", {"contentBlockIndex": 3}),
    ("contentBlockStart", {"contentBlockIndex": 4, "start": {"image": {"format": "png"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 4, "delta": {"image": {"source": {"bytes": "AA=="}}}}),
    ("contentBlockDelta", {"contentBlockIndex": 4, "delta": {"image": {"source": {"bytes": "AA=="}}}}),
    ("contentBlockStop", {"contentBlockIndex": 4}),
    ("messageStop", {"stopReason": "end_turn", "additionalModelResponseFields": {"a": 1}}),
    ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1}, "serviceTier": {"type": "flex"}}),
]
ODD: list[Any] = [None, True, 3, -1, 2.5, "", "x", [], ["x"], {}, {"x": 1}, [[]], [{}], {"text": 5}]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in inside for found in [(*path, key), *places(item, (*path, key))]]


def changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    whole = copy.deepcopy(value)
    home = whole
    for key in path[:-1]:
        home = home[key]
    home[path[-1]] = odd
    return whole


def test_requests() -> None:
    refused = others = 0
    for path in places(REQUEST):
        for odd in ODD:
            try:
                request = CODEC.decode_request(changed(REQUEST, path, odd), model="m")
            except ApiError as error:
                refused += error.kind == "invalid" and bool(error.path)
                others += error.kind != "invalid" or not error.path
                continue
            CODEC.encode_request(request, Facts(), Ledger())
    assert refused > 300
    assert others == 0


def test_answers() -> None:
    answer = Answer(model="m", new_id=lambda prefix: f"{prefix}1")
    kinds = set()
    for path in places(ANSWER):
        for odd in ODD:
            try:
                response = CODEC.decode_response(json.dumps(changed(ANSWER, path, odd)).encode())
            except ApiError as error:
                kinds.add(error.kind)
                continue
            CODEC.encode_response(response, answer, Ledger())
    assert kinds == {"upstream_failed"}


@pytest.mark.parametrize("number", range(len(FRAMES)))
def test_streams(number: int) -> None:
    kind, payload = FRAMES[number]
    for odd_payload in [*ODD, *[changed(payload, path, odd) for path in places(payload) for odd in ODD]]:
        decoder = CODEC.stream_decoder()
        frames = [*FRAMES[:number], (kind, odd_payload), *FRAMES[number + 1 :]]
        events = decoder.feed(b"".join(aws_event({":event-type": k}, json.dumps(p).encode()) for k, p in frames)) + decoder.finish()
        check(events if isinstance(events[0], Begin | Aside | Failed) else [Begin("", ""), *events])
        if isinstance(events[-1], Failed):
            assert events[-1].error.kind in ("upstream_failed", "upstream_incomplete")
        CODEC.stream_encoder(Answer(model="m", new_id=str), Ledger()).encode(events)


def test_frames_in_any_order_make_a_legal_stream() -> None:
    order = random.Random(7)
    for _ in range(200):
        frames = [FRAMES[i] for i in order.choices(range(len(FRAMES)), k=12)]
        decoder = CODEC.stream_decoder()
        check(decoder.feed(b"".join(aws_event({":event-type": k}, json.dumps(p).encode()) for k, p in frames)) + decoder.finish())
