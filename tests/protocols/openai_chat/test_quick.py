"""The quick way of reading a plain answer gives what the slow way gives, or nothing."""

import json
from typing import Any

import pytest

from llm_api_converter.protocols.openai_chat.response import _decode_quickly, decode_answer_object
from tests.recordings import load, needs_recordings


def answer(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion", "created": 5, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}], **more}


CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}


@pytest.mark.parametrize(
    "value",
    [
        answer({"content": "hi"}), answer({"content": ""}), answer({"content": None, "tool_calls": [CALL]}),
        answer({"content": "hi", "tool_calls": [CALL], "annotations": []}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 2}),
        answer({"content": "hi"}, "length", system_fingerprint="fp", service_tier="default", usage=None),
        answer({"content": "hi"}, "a word of tomorrow"),
    ],
)
def test_what_it_reads_it_reads_the_same(value: dict[str, Any]) -> None:
    assert _decode_quickly(json.dumps(value).encode()) == decode_answer_object(value)


@pytest.mark.parametrize(
    "value",
    [
        answer({"content": "hi", "reasoning_content": "so"}), answer({"content": [{"type": "text", "text": "hi"}]}),
        answer({"content": "hi"}, None), answer({"content": "hi"}, more=1), answer({"refusal": "no"}), {"error": {"message": "x"}}, [],
        {**answer({}), "choices": []}, answer({"content": None, "tool_calls": [{**CALL, "id": ""}]}),
        answer({"content": "hi", "annotations": [{"type": "url_citation"}]}),
    ],
)
def test_what_it_does_not_know_it_leaves_alone(value: Any) -> None:
    assert _decode_quickly(json.dumps(value).encode()) is None


@needs_recordings
def test_recorded_answers_read_the_same() -> None:
    quick = 0
    for record in load("openai_chat"):
        body = record["response"].get("body")
        if record["stream"] or not isinstance(body, dict) or body.get("error"):
            continue
        got = _decode_quickly(json.dumps(body).encode())
        if got is not None:
            quick += 1
            assert got == decode_answer_object(body), record["id"]
    assert quick > 200
