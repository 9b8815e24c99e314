"""DeepSeek's rules, from an Anthropic client's request to the bytes DeepSeek gets, through the catalogue's facts."""

from typing import Any

import pytest

from llm_api_converter.hub.adapt import adapt
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.protocols import codec
from llm_api_converter.providers.catalog import Catalog

USER = {"role": "user", "content": "What is the weather in Paris?"}
TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}]}


def sent(body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What DeepSeek gets in Chat, and the features of the report."""
    facts = Catalog.load().resolve("openai_chat", "deepseek", "deepseek-v4-pro").facts
    ledger = Ledger()
    request = codec("anthropic").decode_request({"model": "m", "max_tokens": 100, **body}, headers={})
    wire = codec("openai_chat").encode_request(adapt(request, facts, ledger).request, facts, ledger)
    return wire.body, [loss.feature for loss in ledger.losses]


@pytest.mark.parametrize(
    ("thinking", "switch"),
    [(None, None), ({"type": "disabled"}, "disabled"), ({"type": "adaptive"}, "enabled"), ({"type": "enabled", "budget_tokens": 4096}, "enabled")],
)
def test_thinking_is_switched_by_its_own_field(thinking: dict[str, Any] | None, switch: str | None) -> None:
    body, _ = sent({"messages": [USER], **({"thinking": thinking} if thinking else {})})
    assert body.get("thinking") == ({"type": switch} if switch else None)
    assert body.get("reasoning_effort") in (None, "low", "high", "max")
    assert body["max_tokens"] == 100
    assert "max_completion_tokens" not in body


@pytest.mark.parametrize(
    ("asked", "word"),
    [("minimal", "low"), ("low", "low"), ("medium", "high"), ("high", "high"), ("xhigh", "high"), ("max", "max"), ("none", None)],
)
def test_effort_goes_as_one_of_its_own_words(asked: str, word: str | None) -> None:
    facts = Catalog.load().resolve("openai_chat", "deepseek", "deepseek-v4-pro").facts
    request = codec("openai_responses").decode_request({"model": "m", "input": "Hi", "reasoning": {"effort": asked}})
    body = codec("openai_chat").encode_request(adapt(request, facts, Ledger()).request, facts, Ledger()).body
    assert body["thinking"] == {"type": "disabled" if word is None else "enabled"}
    assert body.get("reasoning_effort") == word


def test_reasoning_of_a_turn_with_calls_goes_back() -> None:
    turn = {"role": "assistant", "content": [{"type": "thinking", "thinking": "I must look.", "signature": "s"}, CALL]}
    body, features = sent({"messages": [USER, turn, RESULT], "tools": [TOOL]})
    (message,) = [m for m in body["messages"] if m["role"] == "assistant"]
    assert message["reasoning_content"] == "I must look."
    assert body.get("thinking") != {"type": "disabled"}
    assert features == ["thinking_signature"]


def test_without_its_reasoning_thinking_is_off_and_reported() -> None:
    body, features = sent({"messages": [USER, {"role": "assistant", "content": [CALL]}, RESULT], "tools": [TOOL]})
    assert body["thinking"] == {"type": "disabled"}
    assert features == ["reasoning"]


def test_reasoning_of_a_plain_turn_stays_away() -> None:
    turn = {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}, {"type": "text", "text": "Rain."}]}
    body, _ = sent({"messages": [USER, turn, {"role": "user", "content": "And in Rome?"}]})
    assert "Hm." not in str(body)


def test_images_are_a_loss_of_content() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    body, features = sent({"messages": [{"role": "user", "content": [{"type": "text", "text": "Look"}, image]}]})
    assert features == ["image"]
    assert "AAAA" not in str(body)


def test_a_schema_is_asked_for_in_words_and_json_mode() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False}
    body, features = sent({"messages": [USER], "output_config": {"format": {"type": "json_schema", "schema": schema}}})
    assert body.get("response_format", {}).get("type") != "json_schema"
    assert "structured_output" in features
