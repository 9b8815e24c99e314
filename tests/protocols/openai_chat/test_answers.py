"""Plain answers, embeddings and the list of models."""

import json
from typing import Any

import pytest

from llm_api_converter.hub.embed import EmbedRequest, EmbedResponse
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger, compact
from llm_api_converter.hub.messages import Inline, Media, Opaque, Reasoning, Refusal, Text, ToolCall
from llm_api_converter.hub.response import Finish, Response, Usage
from llm_api_converter.protocols.base import ModelInfo
from llm_api_converter.protocols.openai_chat import CODEC
from llm_api_converter.protocols.openai_chat.embeddings import (
    decode_embed_request,
    decode_embed_response,
    encode_embed_request,
    encode_embed_response,
)
from llm_api_converter.protocols.openai_chat.models import encode_model, encode_models
from llm_api_converter.protocols.openai_chat.usage import decode_usage, encode_usage
from tests.protocols.openai_chat.wire_examples import answer
from tests.recordings import load, needs_recordings


def encoded(*parts: Any, finish: Finish | None = None, **fields: Any) -> tuple[dict[str, Any], Ledger]:
    ledger = Ledger()
    body: dict[str, Any] = json.loads(CODEC.encode_response(Response("r1", "up", parts, finish or Finish("stop"), **fields), answer(), ledger))
    return body, ledger


def test_the_shape_of_an_answer() -> None:
    body, ledger = encoded(
        Reasoning("hm"), Text("a"), Text("b"), ToolCall("x", "f"), finish=Finish("tool_call"), usage=Usage(5, 2), service_tier="flex", created_s=3
    )
    assert body == {
        "id": "r1", "object": "chat.completion", "created": 3, "model": "model-1",
        "choices": [{"index": 0, "message": {
            "role": "assistant", "content": "ab", "refusal": None, "reasoning_content": "hm",
            "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        }, "logprobs": None, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, "service_tier": "flex",
    }  # fmt: skip
    assert not ledger.losses


@pytest.mark.parametrize(
    ("reason", "parts", "word"),
    [
        ("stop", (), "stop"), ("length", (), "length"), ("stop_sequence", (), "stop"), ("tool_call", (), "tool_calls"), ("refused", (), "content_filter"),
        ("refused", (Refusal("no"),), "stop"), ("filtered", (Refusal("no"),), "content_filter"), ("paused", (), "stop"), ("context_full", (), "length"),
        ("malformed_call", (), "error"), ("other", (), "stop"),
    ],
)  # fmt: skip
def test_finish_words(reason: Any, parts: tuple[Any, ...], word: str) -> None:
    assert encoded(*parts, finish=Finish(reason))[0]["choices"][0]["finish_reason"] == word


def test_seals_ride_in_fields_clients_echo_and_come_back() -> None:
    seal = Opaque("seal", "seal", "S")
    body, ledger = encoded(Reasoning("hm", tokens=(seal,)), Text("a", tokens=(seal,)), ToolCall("x", "f", tokens=(seal,)), finish=Finish("tool_call"))
    assert not ledger.losses
    request = CODEC.decode_request({"model": "m", "messages": [body["choices"][0]["message"]]})
    found = [token.data for part in request.messages[0].parts if isinstance(part, Reasoning | Text | ToolCall) for token in part.tokens]
    assert found == ["S", "S", "S"]
    assert [type(x) for x in request.messages[0].parts] == [Reasoning, Text, ToolCall]


def test_sound_and_images() -> None:
    body, ledger = encoded(Media("audio", Inline("AA")), Media("image", Inline("BB"), "image/png"), Media("video", Inline("CC")), Media("audio", Inline("D")))
    message = body["choices"][0]["message"]
    assert message["audio"] == {"id": "audio_made", "expires_at": 17, "transcript": "", "data": "AA"}
    assert message["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,BB"}, "index": 0}]
    assert [x["feature"] for x in compact(ledger.losses)] == ["video", "audio"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{"message":{"content":5}}]}', b'{"choices":[{"message":"a"}]}'])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        CODEC.decode_response(body)
    assert raised.value.kind == "upstream_failed"


USAGE: list[tuple[dict[str, Any], Usage]] = [
    ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}},
     Usage(9, 3, 4, None, None, 2)),
    ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}, Usage(9, 3, 4)),
    ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}}, Usage(9, 3, 4, 2)),
    ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 17, "completion_tokens_details": {"reasoning_tokens": 5}}, Usage(9, 8, reasoning=5)),
    ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 42, "prompt_tokens_details": {"audio_tokens": 30}}, Usage(39, 3)),
    ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 19, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2}, Usage(16, 3, 5, 2)),
    ({"prompt_tokens": 9, "completion_tokens": None, "total_tokens": None}, Usage(9, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "usage"), USAGE)
def test_usage(raw: dict[str, Any], usage: Usage) -> None:
    found = decode_usage(raw)
    assert (found.input_total, found.output_total, found.cache_read, found.cache_write, found.reasoning) == (
        usage.input_total, usage.output_total, usage.cache_read, usage.cache_write, usage.reasoning,
    )  # fmt: skip
    again = decode_usage(encode_usage(found))
    assert (again.input_total, again.output_total, again.cache_read, again.reasoning) == (
        found.input_total, found.output_total, found.cache_read, found.reasoning,
    )  # fmt: skip


def test_usage_of_another_protocol_is_not_shown_raw() -> None:
    assert encode_usage(Usage(5, 2, 1, raw={"inputTokens": 5}, protocol="bedrock_converse")) == {
        "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_tokens_details": {"cached_tokens": 1},
    }  # fmt: skip


@needs_recordings
def test_recorded_embeddings_come_back_the_same() -> None:
    requests = answers = 0
    for record in load("openai_embeddings"):
        body = record["request"]["body"]
        if not body.get("input") or body.get("encoding_format") == "invalid_format":
            assert record["response"]["status"] == 400
            with pytest.raises(ApiError):
                decode_embed_request(body)
            continue
        request = decode_embed_request(body, model="from-path")
        ledger = Ledger()
        wire = encode_embed_request(request, Facts(), ledger)
        assert (wire.path, ledger.losses) == ("/embeddings", [])
        assert wire.body == {k: v for k, v in body.items() if v is not None}, record["id"]
        requests += 1
        if record["response"]["status"] != 200:
            continue
        sent = record["response"]["body"]
        response = decode_embed_response(json.dumps(sent).encode())
        out = json.loads(encode_embed_response(response, request, answer(sent["model"])))
        assert out["usage"].keys() >= sent["usage"].keys()
        assert [x["index"] for x in out["data"]] == list(range(len(sent["data"])))
        if all(isinstance(x["embedding"], str) == (request.encoding == "base64") for x in sent["data"]):
            assert [x["embedding"] for x in out["data"]] == [x["embedding"] for x in sorted(sent["data"], key=lambda x: x["index"])], record["id"]
        answers += 1
    assert requests > 40
    assert answers > 30


def test_embeddings_in_the_form_asked_for() -> None:
    response = EmbedResponse("m", ((0.5, -2.0),), Usage(3, 0))
    packed = encode_embed_response(response, EmbedRequest("m", ("a",), encoding="base64"), answer())
    assert json.loads(packed)["data"][0]["embedding"] == "AAAAPwAAAMA="
    assert decode_embed_response(packed).vectors == response.vectors
    plain = json.loads(encode_embed_response(response, EmbedRequest("m", ("a",)), answer()))
    assert plain == {
        "object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -2.0]}], "model": "model-1",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }  # fmt: skip
    ledger = Ledger()
    encode_embed_request(EmbedRequest("m", ("a",), task="QUERY", title="t"), Facts(), ledger)
    assert [x.path for x in ledger.losses] == ["task", "title"]


def test_models() -> None:
    known = ModelInfo("a", display_name="A", created_s=5, context_window=100, max_output_tokens=10)
    listed = json.loads(encode_models([ModelInfo("m"), known]))
    assert listed["object"] == "list"
    assert listed["data"][0] == {"id": "m", "object": "model", "created": 0, "owned_by": "gateway"}
    assert listed["data"][1] == json.loads(encode_model(known))
    assert listed["data"][1]["context_length"] == 100
