"""Service tiers: one vocabulary in the middle, each protocol's own words outside, and no word a client's SDK would refuse."""

from typing import Any

import pytest

from llm_api_converter.convert import convert_response
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.protocols import codec

MINIMAL: dict[str, dict[str, Any]] = {
    "anthropic": {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]},
    "openai_chat": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "openai_responses": {"model": "m", "input": "Hi"},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "bedrock_converse": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
}
FIELD: dict[str, tuple[str, Any]] = {
    "anthropic": ("service_tier", str), "openai_chat": ("service_tier", str), "openai_responses": ("service_tier", str),
    "gemini": ("serviceTier", str), "bedrock_converse": ("serviceTier", lambda word: {"type": word}),
}  # fmt: skip
# client, its word, upstream, the upstream's word (None: nothing is sent), the report
CASES = [
    ("gemini", "standard", "openai_chat", "default", []),
    ("gemini", "STANDARD", "openai_responses", "default", []),
    ("gemini", "priority", "bedrock_converse", "priority", []),
    ("gemini", "unspecified", "openai_chat", "auto", []),
    ("openai_chat", "default", "gemini", "standard", []),
    ("openai_chat", "flex", "gemini", "flex", []),
    ("openai_chat", "auto", "bedrock_converse", None, []),
    ("openai_chat", "scale", "gemini", None, ["service_tier"]),
    ("openai_chat", "on_demand", "anthropic", "standard_only", []),
    ("openai_chat", "turbo", "anthropic", None, ["service_tier"]),
    ("openai_chat", "turbo", "openai_chat", "turbo", []),
    ("openai_chat", "on_demand", "openai_chat", "on_demand", []),
    ("openai_responses", "default", "anthropic", "standard_only", []),
    ("openai_responses", "ultrafast", "openai_chat", None, ["service_tier"]),
    ("anthropic", "standard_only", "openai_chat", "default", []),
    ("anthropic", "standard_only", "anthropic", "standard_only", []),
    ("anthropic", "auto", "openai_responses", "auto", []),
    ("bedrock_converse", "reserved", "openai_chat", None, ["serviceTier.type"]),
    ("bedrock_converse", "flex", "gemini", "flex", []),
]  # fmt: skip


@pytest.mark.parametrize(("client", "word", "upstream", "sent", "lost"), CASES)
def test_a_tier_of_a_request(client: str, word: str, upstream: str, sent: str | None, lost: list[str]) -> None:
    field, form = FIELD[client]
    ledger = Ledger()
    request = codec(client).decode_request({**MINIMAL[client], field: form(word)}, model="m", stream=False)
    body = codec(upstream).encode_request(request, Facts(), ledger).body

    field, form = FIELD[upstream]
    assert body.get(field) == (None if sent is None else form(sent))
    assert [loss.path for loss in ledger.losses] == lost


def test_googles_ordinary_tier_is_openais() -> None:
    answer = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2, "serviceTier": "standard"},
    }
    body, report = convert_response(answer, upstream="gemini", client="openai_chat")
    assert body["service_tier"] == "default"
    assert report == []
    body, report = convert_response(answer, upstream="gemini", client="anthropic")
    assert body["usage"]["service_tier"] == "standard"
    assert report == []
