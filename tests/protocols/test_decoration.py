"""What no client of another protocol can miss of an answer is not reported; its own clients still get it."""

import json
from typing import Any

import pytest

from llm_api_converter.convert import convert_response
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.protocols import codec
from llm_api_converter.protocols.base import Answer
from llm_api_converter.protocols.decoration import nothing_filtered, says_nothing

SAFE = {"hate": {"filtered": False, "severity": "safe"}, "jailbreak": {"detected": False, "filtered": False}}
CHAT: dict[str, Any] = {
    "id": "c1", "object": "chat.completion", "created": 5, "model": "m", "system_fingerprint": "fp_1", "provider": "P", "timings": {"ms": 3.5},
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}],
    "choices": [{
        "index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop", "native_finish_reason": "STOP",
        "content_filter_results": SAFE,
    }],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}  # fmt: skip


@pytest.mark.parametrize("client", ["anthropic", "openai_responses", "gemini", "bedrock_converse"])
def test_a_plain_answer_needs_no_report(client: str) -> None:
    _, report = convert_response(CHAT, upstream="openai_chat", client=client)
    assert report == []


def test_its_own_clients_get_it_back() -> None:
    chat = codec("openai_chat")
    answer = Answer(model="m", new_id=lambda prefix: prefix + "1")
    assert json.loads(chat.encode_response(chat.decode_response(json.dumps(CHAT).encode()), answer, Ledger())) == {
        **CHAT, "choices": [{**CHAT["choices"][0], "logprobs": None, "message": {"role": "assistant", "content": "Hi", "refusal": None}}],
    }  # fmt: skip


def test_a_hit_of_a_filter_is_reported() -> None:
    hit = {"hate": {"filtered": True, "severity": "high"}}
    body = {**CHAT, "choices": [{**CHAT["choices"][0], "finish_reason": "content_filter", "content_filter_results": hit}]}
    _, report = convert_response(body, upstream="openai_chat", client="gemini")
    assert [x["feature"] for x in report] == ["content_filter_results"]


@pytest.mark.parametrize("value", [None, 0, False, "", [], {}, {"a": [{"b": 0}]}, [None, ""]])
def test_what_says_nothing(value: Any) -> None:
    assert says_nothing(value)
    assert nothing_filtered(value)


@pytest.mark.parametrize("value", [1, True, "a", [0, 1], {"a": {"b": "c"}}])
def test_what_says_something(value: Any) -> None:
    assert not says_nothing(value)
