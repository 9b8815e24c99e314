"""Plain answers, streams, errors, embeddings, lists: wire examples read and written."""

import json
from typing import Any

import pytest
from google.genai import types

from llm_api_converter.hub.embed import EmbedRequest, EmbedResponse
from llm_api_converter.hub.errors import ERROR_KINDS, ApiError
from llm_api_converter.hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen, check
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.fold import fold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Citation, Inline, Media, Opaque, Reasoning, Text, ToolCall
from llm_api_converter.hub.response import Finish, Response, Usage
from llm_api_converter.protocols.base import Answer, ModelInfo
from llm_api_converter.protocols.gemini import CODEC
from llm_api_converter.protocols.gemini.encoder import GeminiArrayEncoder
from llm_api_converter.protocols.gemini.schema import decode_schema, encode_schema

Json = dict[str, Any]
ANSWER = Answer(model="asked-for", new_id=lambda prefix: "made-up")
SEAL = Opaque("seal", "seal", "c2VhbA==")


def candidate(*parts: Json, finish: str | None = "STOP", **more: Any) -> Json:
    said = {} if finish is None else {"finishReason": finish}
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **said, **more}], "responseId": "r1"}


def decoded(body: Any) -> Response:
    return CODEC.decode_response(json.dumps(body).encode())


def encoded(response: Response) -> tuple[Json, list[str]]:
    ledger = Ledger()
    body = json.loads(CODEC.encode_response(response, ANSWER, ledger))
    return body, [loss.feature for loss in ledger.losses]


def sse(*frames: Any, end: str = "\r\n\r\n") -> bytes:
    return "".join(f"data: {json.dumps(frame)}{end}" for frame in frames).encode()


def events_of(data: bytes) -> list[Event]:
    decoder = CODEC.stream_decoder()
    events = decoder.feed(data) + decoder.finish()
    check(events)
    assert decoder.finish() == []
    return events


def frames_of(data: bytes) -> list[Json]:
    return [json.loads(frame.strip().removeprefix(b"data: ")) for frame in data.split(b"\r\n\r\n") if frame.strip()]


# ---------------------------------------------------------------------------- finish
WORDS = sorted(word.value for word in types.FinishReason)
MALFORMED = {
    "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE",
}


@pytest.mark.parametrize("word", WORDS)
def test_every_finish_reason_of_the_sdk_is_known_and_comes_back(word: str) -> None:
    response = decoded(candidate({"text": "a"}, finish=word))
    assert response.finish.raw == word
    assert (response.finish.reason == "malformed_call") == (word in MALFORMED)
    assert (response.finish.reason == "stop") == (word == "STOP")
    assert encoded(response)[0]["candidates"][0]["finishReason"] == word


def test_a_call_is_never_a_plain_stop() -> None:
    assert decoded(candidate({"functionCall": {"name": "f"}})).finish.reason == "tool_call"
    assert decoded(candidate({"functionCall": {"name": "f"}}, finish="MAX_TOKENS")).finish.reason == "length"
    assert decoded(candidate({"functionCall": {"name": "f"}}, finish="MALFORMED_FUNCTION_CALL")).finish.reason == "malformed_call"
    assert decoded(candidate({"executableCode": {"code": "1"}})).finish.reason == "stop"


def test_a_blocked_prompt_is_no_empty_success() -> None:
    body = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "Reasons"}, "responseId": "r", "modelVersion": "m"}
    response = decoded(body)
    assert response.finish == Finish("filtered", "SAFETY", "Reasons")
    again, losses = encoded(response)
    assert "candidates" not in again
    assert again["promptFeedback"] == body["promptFeedback"]
    assert losses == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "upstream_failed"), (b"[1]", "upstream_failed"), (b"{}", "upstream_failed"),
        (b'{"candidates": [{}]}', "upstream_incomplete"), (b'{"candidates": [{"content": 5}]}', "upstream_failed"),
        (b'[{"error": {"code": 503, "status": "UNAVAILABLE", "message": "busy"}}]', "overloaded"),
    ],
)
def test_what_is_no_answer_fails(body: bytes, kind: str) -> None:
    with pytest.raises(ApiError) as caught:
        CODEC.decode_response(body)
    assert caught.value.kind == kind


# ---------------------------------------------------------------------------- usage and citations
@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        ({"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11}, (9, 2, None, None)),
        ({"promptTokenCount": 9, "cachedContentTokenCount": 4, "thoughtsTokenCount": 5, "candidatesTokenCount": 2}, (9, 7, 4, 5)),
        ({"promptTokenCount": 9, "toolUsePromptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 14}, (12, 2, None, None)),
        ({"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 30}, (9, 21, None, None)),
        ({"promptTokenCount": 9}, (9, 0, None, None)),
    ],
)
def test_usage_adds_up(wire: Json, usage: tuple[int, int, int | None, int | None]) -> None:
    found = decoded(candidate({"text": "a"}) | {"usageMetadata": wire}).usage
    assert found is not None
    assert (found.input_total, found.output_total, found.cache_read, found.reasoning) == usage
    assert encoded(Response("r", "m", (), Finish("stop"), found))[0]["usageMetadata"] == wire


def test_usage_of_others_is_written_googles_way() -> None:
    usage = Usage(100, 50, cache_read=60, cache_write=5, reasoning=20, protocol="openai_chat", raw={"x": 1})
    body, losses = encoded(Response("r", "m", (), Finish("stop"), usage, service_tier="batch"))
    assert body["usageMetadata"] == {
        "promptTokenCount": 100, "candidatesTokenCount": 30, "thoughtsTokenCount": 20, "cachedContentTokenCount": 60,
        "totalTokenCount": 150,
    }
    assert losses == ["cache_write", "service_tier"]
    assert encoded(Response("r", "m", (), Finish("stop"), service_tier="default"))[1] == []


def test_sources_count_in_bytes_there_and_in_characters_here() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"retrievedContext": {"title": "B", "text": "quote"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 6, "endIndex": 9, "text": "né"}, "groundingChunkIndices": [0]},
            {"segment": {"endIndex": 3, "text": "Ét"}, "groundingChunkIndices": [1, 7]},
            {"segment": {"startIndex": 90, "endIndex": 93, "text": "☀"}, "groundingChunkIndices": [0]},
            {"segment": {"startIndex": 90, "endIndex": 93, "text": "not there"}, "groundingChunkIndices": [0]},
        ],
    }
    response = decoded(candidate({"text": "Été né ☀"}, groundingMetadata=grounding))
    assert isinstance(response.parts[0], Text)
    assert response.parts[0].citations == (
        Citation(url="https://a.example", title="A", start=4, end=6), Citation(title="B", quote="quote", start=0, end=2),
        Citation(url="https://a.example", title="A", start=7, end=8),
    )
    body, losses = encoded(response)
    assert body["candidates"][0]["groundingMetadata"] == grounding
    assert losses == []


def test_sources_of_others_are_written_googles_way() -> None:
    cited = (Citation(url="https://a.example", title="A", start=4, end=6), Citation(title="B", quote="q"))
    body, _ = encoded(Response("r", "m", (Text("☀"), Text("Été né", citations=cited)), Finish("stop")))
    assert body["candidates"][0]["groundingMetadata"] == {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"retrievedContext": {"title": "B", "text": "q"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 9, "endIndex": 12, "text": "né"}, "groundingChunkIndices": [0]},
            {"segment": {"startIndex": 3, "endIndex": 12, "text": "Été né"}, "groundingChunkIndices": [1]},
        ],
    }
    again = decoded(body)
    assert again.parts[1] == Text("Été né", citations=(cited[0], Citation(title="B", quote="q", start=0, end=6)))


# ---------------------------------------------------------------------------- streams in
def test_a_stream_is_read() -> None:
    data = sse(
        candidate({"text": "think", "thought": True}, finish=None),
        candidate({"text": "Hel"}, finish=None) | {"modelVersion": "g"},
        candidate({"text": "lo"}, finish=None),
        candidate({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}, {"functionCall": {"name": "g"}})
        | {"usageMetadata": {"promptTokenCount": 1}},
        candidate({"text": ""}) | {"usageMetadata": {"promptTokenCount": 2}},
    )
    events = events_of(data)
    assert events == [
        Begin("r1", ""),
        Open(0, Reasoning("", summary=True)), Delta(0, "think"), Close(0),
        Open(1, Text("")), Delta(1, "Hel"), Delta(1, "lo"), Close(1),
        Open(2, ToolCall("gemini_r1_2", "f")), Delta(2, '{"a":1}'), Attach(2, Opaque("wire.gemini", "signature", "c2ln")), Close(2),
        Open(3, ToolCall("gemini_r1_3", "g")), Close(3),
        UsageSeen(Usage(2, 0, raw={"promptTokenCount": 2}, protocol="gemini")),
        Finished(Finish("tool_call", "STOP")), End(),
    ]  # fmt: skip


def test_a_signature_on_empty_text_belongs_to_the_text_before_it() -> None:
    data = sse(candidate({"text": "a"}, finish=None), candidate({"text": "", "thoughtSignature": "c2ln"}))
    assert fold(events_of(data)).parts == (Text("a", tokens=(Opaque("wire.gemini", "signature", "c2ln"),)),)
    alone = sse(candidate({"text": "t", "thought": True}, finish=None), candidate({"text": "", "thoughtSignature": "c2ln"}))
    assert fold(events_of(alone)).parts == (
        Reasoning("t", summary=True), Text("", tokens=(Opaque("wire.gemini", "signature", "c2ln"),)),
    )


def test_arguments_in_pieces() -> None:
    def piece(path: str, goes_on: bool = True, **value: Any) -> Json:
        return candidate({"functionCall": {"partialArgs": [{"jsonPath": path, **value}], "willContinue": goes_on}}, finish=None)

    data = sse(
        candidate({"functionCall": {"name": "f", "id": "c", "willContinue": True}}, finish=None),
        piece("$.list[0].name", stringValue="a", willContinue=True),
        piece("$.list[0].name", stringValue="b", willContinue=True),
        piece("$.list[0].name", stringValue=""),
        piece("$.list[1].name", stringValue="c"),
        piece("$['odd.key']", numberValue=2.0),
        piece("$.yes", boolValue=True),
        piece("$.no", nullValue="NULL_VALUE"),
        candidate({"functionCall": {}}, finish=None),
        candidate({"functionCall": {"name": "g", "willContinue": True}}, finish=None),
        candidate({"text": ""}),
    )
    call, second = fold(events_of(data)).parts
    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments) == {"list": [{"name": "ab"}, {"name": "c"}], "odd.key": 2, "yes": True, "no": None}
    assert second == ToolCall("gemini_r1_1", "g")


BROKEN: list[tuple[bytes, str, str]] = [
    (b"", "upstream_incomplete", "without a finish reason"),
    (sse(candidate({"text": "a"}, finish=None)), "upstream_incomplete", "without a finish reason"),
    (sse(candidate({"text": "a"})) + b"data: {broken\n\n", "upstream_failed", "no JSON"),
    (sse({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}), "overloaded", "busy"),
    (sse(candidate({"text": "a"})) + b'{\n "error": {"code": 499, "message": "gone", "status": "CANCELLED"}\n}\n', "upstream_failed", "gone"),
    (b'[{"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}]', "rate_limited", "slow"),
    (b'{"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}', "invalid", "bad"),
    (sse(candidate({"functionCall": {"name": 5}})), "upstream_failed", "malformed"),
]


@pytest.mark.parametrize(("data", "kind", "message"), BROKEN)
def test_a_broken_stream_fails_once(data: bytes, kind: str, message: str) -> None:
    for size in (1, 1000):
        decoder = CODEC.stream_decoder()
        events = [event for start in range(0, len(data), size) for event in decoder.feed(data[start : start + size])]
        events += decoder.finish()
        check(events)
        assert isinstance(events[-1], Failed)
        assert events[-1].error.kind == kind
        assert message in events[-1].error.message
        assert sum(isinstance(event, Failed) for event in events) == 1


def test_usage_of_a_broken_stream_is_seen() -> None:
    events = events_of(sse(candidate({"text": "a"}, finish=None) | {"usageMetadata": {"promptTokenCount": 7}}))
    assert [event.usage.input_total for event in events if isinstance(event, UsageSeen)] == [7]


def test_a_blocked_prompt_ends_a_stream() -> None:
    response = fold(events_of(sse({"promptFeedback": {"blockReason": "OTHER"}})))
    assert response.finish == Finish("filtered", "OTHER", "the prompt was blocked: OTHER")


def test_a_keep_alive_is_no_answer() -> None:
    events = events_of(sse({}, candidate({"text": "a"}), end="\n\n"))
    assert events[0] == Aside("gemini", None, ping=True)
    assert fold(events).parts == (Text("a"),)


# ---------------------------------------------------------------------------- streams out
STREAM: list[Event] = [
    Begin("r", "upstream-name"), Open(0, Reasoning("")), Delta(0, "why"), Close(0), Open(1, Text("")), Delta(1, "a\n"), Attach(1, SEAL),
    Close(1), Open(2, ToolCall("c1", "f")), Delta(2, '{"a":'), Delta(2, "1}"), Attach(2, SEAL), Close(2),
    Open(3, Media("image", Inline("QQ=="), media_type="image/png")), Close(3),
    Finished(Finish("tool_call", "tool_use")), UsageSeen(Usage(3, 4)), End(),
]  # fmt: skip


def test_a_stream_is_written() -> None:
    frames = frames_of(CODEC.stream_encoder(ANSWER, Ledger()).encode(STREAM))
    assert all(frame["modelVersion"] == "asked-for" and frame["responseId"] == "r" for frame in frames)
    parts = [frame["candidates"][0]["content"]["parts"] for frame in frames]
    assert parts == [
        [{"thought": True, "text": "why"}],
        [{"text": "a\n"}],
        [{"text": "", "thoughtSignature": "c2VhbA=="}],
        [{"functionCall": {"name": "f", "args": {"a": 1}, "id": "c1"}, "thoughtSignature": "c2VhbA=="}],
        [{"inlineData": {"mimeType": "image/png", "data": "QQ=="}}],
        [{"text": ""}],
    ]
    assert frames[-1]["candidates"][0]["finishReason"] == "STOP"
    assert frames[-1]["usageMetadata"] == {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}
    assert not any("finishReason" in str(frame) for frame in frames[:-1])


def test_a_stream_is_written_as_an_array() -> None:
    encoder = GeminiArrayEncoder(ANSWER, Ledger())
    written = encoder.ping() + b"".join(encoder.encode([event]) + encoder.ping() for event in STREAM)
    assert json.loads(written) == frames_of(CODEC.stream_encoder(ANSWER, Ledger()).encode(STREAM))


def test_a_failure_ends_a_stream_cleanly() -> None:
    failed = [*STREAM[:6], Failed(ApiError("overloaded", "busy", retry_after_s=2))]
    frames = frames_of(CODEC.stream_encoder(ANSWER, Ledger()).encode(failed))
    assert frames[-1]["error"] == {
        "code": 503, "message": "busy", "status": "UNAVAILABLE",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}],
    }
    assert json.loads(GeminiArrayEncoder(ANSWER, Ledger()).encode(failed))[-1] == frames[-1]
    assert frames_of(CODEC.stream_error(ApiError("overloaded", "busy"), ""))[0]["error"]["code"] == 503
    assert CODEC.array_stream is not None
    cut = GeminiArrayEncoder(ANSWER, Ledger()).encode(STREAM[:6]) + CODEC.array_stream.stream_error(ApiError("overloaded", "busy"), "")
    assert json.loads(cut)[-1]["error"]["code"] == 503


def test_a_keep_alive_before_anything() -> None:
    """A blank line: no comment, which google-genai for Python dies of, and no chunk without candidates."""
    assert CODEC.stream_encoder(ANSWER, Ledger()).ping() == b"\r\n"


def test_a_keep_alive_is_no_element_of_an_array() -> None:
    pinged = [STREAM[0], Aside("anthropic", None, ping=True), *STREAM[1:]]
    assert json.loads(GeminiArrayEncoder(ANSWER, Ledger()).encode(pinged)) == frames_of(CODEC.stream_encoder(ANSWER, Ledger()).encode(STREAM))
    assert frames_of(CODEC.stream_encoder(ANSWER, Ledger()).encode(pinged)) == frames_of(CODEC.stream_encoder(ANSWER, Ledger()).encode(STREAM))


# ---------------------------------------------------------------------------- errors
def status(code: int, word: str, message: str = "m", *details: Json) -> bytes:
    return json.dumps({"error": {"code": code, "status": word, "message": message, "details": list(details)}}).encode()


QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"
ERRORS: list[tuple[int, bytes, str, dict[str, Any]]] = [
    (400, status(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), "unauthenticated", {}),
    (400, status(400, "INVALID_ARGUMENT", "m", {"reason": "API_KEY_INVALID"}), "unauthenticated", {"code": "API_KEY_INVALID"}),
    (400, status(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."), "context_too_long", {}),
    (400, status(400, "INVALID_ARGUMENT", "Thought signature is not valid."), "invalid", {"bad_state": True}),
    (400, status(400, "INVALID_ARGUMENT", "Function call is missing a thought_signature in functionCall parts."), "invalid", {"bad_state": True}),
    (400, status(400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "seed" at \'generation_config\''), "invalid",
     {"unsupported": "seed"}),
    (403, status(403, "PERMISSION_DENIED"), "forbidden", {}),
    (404, b'[{"error": {"code": 404, "message": "no such model", "status": "NOT_FOUND"}}]', "not_found", {"message": "no such model"}),
    (413, b"", "too_large", {}),
    (429, status(429, "RESOURCE_EXHAUSTED", "m", {"retryDelay": "34.07s"}), "rate_limited", {"retry_after_s": 34.07}),
    (429, status(429, "RESOURCE_EXHAUSTED", "m", {"@type": QUOTA, "violations": [{"quotaId": "RequestsPerDayPerProject"}]}), "quota_exhausted", {}),
    (429, status(429, "RESOURCE_EXHAUSTED", "m", {"@type": QUOTA, "violations": [{"quotaId": "RequestsPerMinute"}]}), "rate_limited", {}),
    (429, status(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."), "quota_exhausted", {}),
    (500, status(500, "INTERNAL"), "upstream_failed", {}),
    (503, status(503, "UNAVAILABLE"), "overloaded", {}),
    (504, status(504, "DEADLINE_EXCEEDED"), "timeout", {}),
    (502, b"<html>bad gateway", "upstream_failed", {"message": "the upstream answered 502"}),
    (400, b'{"error": "plain words"}', "invalid", {"message": "plain words"}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "body", "kind", "more"), ERRORS)
def test_errors_are_read(code: int, body: bytes, kind: str, more: dict[str, Any]) -> None:
    error = CODEC.decode_error(code, {"retry-after": "7"} if kind == "overloaded" else {}, body)
    assert error.kind == kind
    assert error.status == code
    assert error.upstream == (code, body)
    assert {name: getattr(error, name) for name in more} == more
    assert (error.retry_after_s == 7) == (kind == "overloaded")


@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_errors_are_written_and_read_again(kind: Any) -> None:
    error = ApiError(kind, "what and why", path="contents[0]", retry_after_s=3)
    wire = CODEC.encode_error(error, "req_1")
    body = json.loads(wire.body)["error"]
    assert body["code"] == wire.status
    assert body["message"] == "what and why"
    assert wire.headers["retry-after"] == "3"
    assert {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "req_1"} in body["details"]
    again = CODEC.decode_error(wire.status, {}, wire.body)
    assert again.retry_after_s == 3
    alike = {
        "quota_exhausted": "rate_limited", "too_large": "invalid", "context_too_long": "invalid", "refused": "invalid",
        "upstream_incomplete": "upstream_failed", "internal": "upstream_failed", "unsupported": "invalid",
    }
    assert again.kind == alike.get(kind, kind)


# ---------------------------------------------------------------------------- counts, lists, embeddings
def test_counts_and_lists() -> None:
    assert json.loads(CODEC.encode_count(12)) == {"totalTokens": 12}  # type: ignore[misc]
    assert CODEC.decode_count(b'{"totalTokens": 12}') == 12  # type: ignore[misc]
    models = json.loads(CODEC.encode_models([ModelInfo("a/b", "A", context_window=9, max_output_tokens=3)]))["models"]  # type: ignore[misc]
    assert models == [{
        "name": "models/a/b", "version": "001", "displayName": "A", "inputTokenLimit": 9, "outputTokenLimit": 3,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }]  # fmt: skip
    assert json.loads(CODEC.encode_model(ModelInfo("x")))["displayName"] == "x"  # type: ignore[misc]


def test_embeddings_one() -> None:
    body = {"content": {"parts": [{"text": "a"}, {"text": "b"}]}, "task_type": "RETRIEVAL_QUERY", "outputDimensionality": 3}
    request = CODEC.decode_embed_request(body, model="e")  # type: ignore[misc]
    assert request == EmbedRequest("e", ("ab",), 3, task="RETRIEVAL_QUERY")
    wire = CODEC.encode_embed_request(request, Facts(), Ledger())  # type: ignore[misc]
    assert wire.path == "/v1beta/models/e:embedContent"
    assert wire.body == {
        "model": "models/e", "content": {"parts": [{"text": "ab"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3,
    }
    response = CODEC.decode_embed_response(b'{"embedding": {"values": [0.5, 1]}}')  # type: ignore[misc]
    assert response == EmbedResponse("", ((0.5, 1.0),))
    assert json.loads(CODEC.encode_embed_response(response, request, ANSWER)) == {"embedding": {"values": [0.5, 1.0]}}  # type: ignore[misc]


def test_embeddings_many() -> None:
    body = {"requests": [{"model": "models/e", "content": {"parts": [{"text": t}]}, "title": "T"} for t in "ab"]}
    request = CODEC.decode_embed_request(body)  # type: ignore[misc]
    assert request == EmbedRequest("e", ("a", "b"), title="T", batch=True)
    ledger = Ledger()
    wire = CODEC.encode_embed_request(EmbedRequest("e", ("a", "b"), user="u"), Facts(), ledger)  # type: ignore[misc]
    assert wire.path == "/v1beta/models/e:batchEmbedContents"
    assert [item["content"]["parts"][0]["text"] for item in wire.body["requests"]] == ["a", "b"]
    assert [loss.feature for loss in ledger.losses] == ["user"]
    response = CODEC.decode_embed_response(b'{"embeddings": [{"values": [1]}, {"values": [2]}]}')  # type: ignore[misc]
    assert response.vectors == ((1.0,), (2.0,))
    written = json.loads(CODEC.encode_embed_response(response, request, ANSWER))  # type: ignore[misc]
    assert written == {"embeddings": [{"values": [1.0]}, {"values": [2.0]}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "content: required"),
        ({"requests": []}, "requests: at least one"),
        ({"content": {"parts": [{"inlineData": {}}]}}, r"content.parts\[0\].text: required"),
        ({"requests": [{"content": "a"}, {"content": "b", "title": "T"}]}, r"requests\[1\]: all requests of a batch must agree"),
    ],
)
def test_bad_embedding_requests(body: Json, message: str) -> None:
    with pytest.raises(ApiError, match=message):
        CODEC.decode_embed_request(body, model="e")  # type: ignore[misc]


# ---------------------------------------------------------------------------- schemas
SCHEMAS: list[tuple[Json, Json]] = [
    ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
    ({"type": "STRING", "format": "enum", "enum": ["a"]}, {"type": "string", "format": "enum", "enum": ["a"]}),
    ({"nullable": True, "anyOf": [{"type": "STRING"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    (
        {"type": "OBJECT", "properties": {"type": {"type": "INTEGER"}, "any_of": {"type": "NUMBER"}}, "propertyOrdering": ["type"]},
        {"type": "object", "properties": {"type": {"type": "integer"}, "any_of": {"type": "number"}}, "propertyOrdering": ["type"]},
    ),
    ({"type": "ARRAY", "items": {"type": "BOOLEAN"}, "default": [{"type": "X"}]},
     {"type": "array", "items": {"type": "boolean"}, "default": [{"type": "X"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("gemini", "schema"), SCHEMAS)
def test_schemas_both_ways(gemini: Json, schema: Json) -> None:
    assert decode_schema(gemini) == schema
    assert encode_schema(schema) == gemini


def test_schemas_in_other_spellings() -> None:
    given = {"type": 6, "min_items": "2", "any_of": [{"type": "object", "max_length": 3}], "description": None, "nullable": False}
    assert decode_schema(given) == {
        "type": "object", "minItems": 2, "anyOf": [{"type": "object", "maxLength": 3}], "nullable": False,
    }
    assert encode_schema({"type": ["string", "integer", "null"]}) == {"nullable": True, "anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}
