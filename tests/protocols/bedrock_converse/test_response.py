"""Whole answers: stop reasons, usage, and what a Converse client cannot be told."""

import json
from typing import Any, get_args

import pytest

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Citation, Inline, Media, Native, Opaque, Reasoning, Refusal, Text, ToolCall, ToolResult
from llm_api_converter.hub.response import Finish, FinishReason, Response, Usage
from llm_api_converter.protocols.base import Answer
from llm_api_converter.protocols.bedrock_converse import CODEC
from llm_api_converter.protocols.bedrock_converse.response import FINISH_IN, FINISH_OUT
from tests.protocols.bedrock_converse.boto import answer_problems, model

ANSWER = Answer(model="model", new_id=lambda prefix: f"{prefix}1")


def decode(content: list[Any], stop: str = "end_turn", **more: Any) -> Response:
    body = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop, **more}
    return CODEC.decode_response(json.dumps(body).encode())


def encode(response: Response) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    ledger = Ledger()
    body = json.loads(CODEC.encode_response(response, ANSWER, ledger))
    assert answer_problems(body) == ""
    return body, [(x.feature, x.action, x.loss_class) for x in ledger.losses]


def answer(*parts: Any, finish: Finish | None = None, usage: Usage | None = None, **more: Any) -> Response:
    return Response("id", "model", parts, finish or Finish("stop"), usage, **more)


def test_every_stop_reason_of_the_model_has_a_meaning_and_every_meaning_a_word() -> None:
    assert {*FINISH_IN} == {*model().shape_for("StopReason").enum}
    assert {*FINISH_OUT} == {*get_args(FinishReason)}
    assert {*FINISH_OUT.values()} <= {*FINISH_IN}


@pytest.mark.parametrize("word", [*FINISH_IN])
def test_stop_reasons_keep_their_word(word: str) -> None:
    response = decode([{"text": "x"}], word)
    assert (response.finish.reason, response.finish.raw) == (FINISH_IN[word], word)
    assert encode(response)[0]["stopReason"] == word


def test_a_call_is_never_a_plain_stop_and_an_unknown_word_is_other() -> None:
    call = {"toolUse": {"toolUseId": "c", "name": "f", "input": {}}}
    assert decode([call]).finish == Finish("tool_call", "end_turn")
    assert decode([call], "max_tokens").finish == Finish("length", "max_tokens")
    server = {"toolUse": {"toolUseId": "c", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}}
    assert decode([server]).finish == Finish("stop", "end_turn")
    assert decode([], "new_word").finish == Finish("other", "new_word")


def test_usage_adds_up_and_goes_out_as_it_came() -> None:
    usage = {
        "inputTokens": 10, "outputTokens": 4, "totalTokens": 44, "cacheReadInputTokens": 20, "cacheWriteInputTokens": 10,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 6}, {"ttl": "5m", "inputTokens": 4}], "serverToolUsage": {},
    }  # fmt: skip
    response = decode([], usage=usage, metrics={"latencyMs": 7})
    found = response.usage
    assert found is not None
    assert (found.input_total, found.output_total, found.cache_read, found.cache_write, found.cache_write_1h) == (40, 4, 20, 10, 6)
    body = json.loads(CODEC.encode_response(response, ANSWER, Ledger()))
    assert (body["usage"], body["metrics"]) == (usage, {"latencyMs": 7})
    plain, _ = encode(answer(usage=Usage(40, 4, 20, 10, 6)))
    assert plain["usage"] == {key: value for key, value in usage.items() if key != "serverToolUsage"} | {
        "cacheDetails": [{"ttl": "5m", "inputTokens": 4}, {"ttl": "1h", "inputTokens": 6}]
    }
    assert encode(answer())[0]["usage"] == {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}


def test_what_surrounds_an_answer_survives() -> None:
    more = {"trace": {"guardrail": {"actionReason": "x"}}, "performanceConfig": {"latency": "optimized"}, "serviceTier": {"type": "flex"}}
    response = decode([{"text": "x"}], additionalModelResponseFields={"a": 1}, **more)
    assert response.service_tier == "flex"
    body, losses = encode(response)
    assert {key: body[key] for key in more} == more
    assert (body["additionalModelResponseFields"], losses) == ({"a": 1}, [])


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"output": {}}', b'{"output": {"message": {"content": [{"toolUse": {}}]}}}', b"<html>"])
def test_what_is_no_answer_is_an_upstream_failure(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        CODEC.decode_response(body)
    assert caught.value.kind == "upstream_failed"


LOST = [
    (answer(Refusal("no"), finish=Finish("refused", "refusal", "why")), [("refusal", "approximated", "content"), ("stop_details", "dropped", "unknown"), ("refused", "approximated", "unknown")]),
    (answer(finish=Finish("stop_sequence", stop_sequence="END")), [("stop_sequence", "dropped", "tuning")]),
    (answer(finish=Finish("paused", "pause_turn")), [("paused", "approximated", "unknown")]),
    (answer(ToolCall("c", "web_fetch", runs="provider"), ToolResult("c", name="web_fetch", runs="provider")), [("web_fetch", "dropped", "tools"), ("web_fetch_result", "dropped", "tools")]),
    (answer(Native("gemini", "odd", {})), [("odd", "dropped", "content")]),
    (answer(Text("t", tokens=(Opaque("wire.gemini", "signature", "s"),))), [("signature", "dropped", "state")]),
    (answer(Text("t", (Citation("https://a.example", start=0, end=1),))), [("citation_span", "approximated", "state")]),
    (answer(Media("image", Inline("AA=="), "image/png")), []),
    (answer(Reasoning("r", tokens=(Opaque("seal", "seal", "s"),)), ToolCall("c", "f", '{"a":1}'), finish=Finish("tool_call")), []),
    (answer(extras={"openai_chat": {"system_fingerprint": "x"}}), [("system_fingerprint", "dropped", "unknown")]),
]  # fmt: skip


@pytest.mark.parametrize(("response", "losses"), LOST)
def test_what_a_client_cannot_be_told_is_reported(response: Response, losses: list[Any]) -> None:
    assert encode(response)[1] == losses
